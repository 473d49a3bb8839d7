"""Reads a vault whole, from the address of its shares alone, in five round trips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from eth_utils.address import to_checksum_address

from keeper.chain.abi import DecodeError
from keeper.chain.calls import Answers
from keeper.chain.contracts import erc20, pools, vault, vault_views
from keeper.chain.contracts.vault_views import LENS_CODE, LensView
from keeper.chain.listed_pools import FEE_TIERS, ZERO_ADDRESS
from keeper.chain.rpc.blocks import block_of
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.rpc.reads import Reads
from keeper.domain.errors import RpcError, WrongContract
from keeper.domain.line import Line
from keeper.domain.market import Block, SwapPool
from keeper.domain.vault_state import (
    AccountHealth,
    AccountPosition,
    ListedAsset,
    RoleHolder,
    UsedWindows,
    VaultState,
)
from keeper.jsonrpc import requests as ask

PART_OF_NAV = 10**9
"""Unit of the rebalancer's windows."""
FAULTS = ("", "gap", "venue only", "dead")
"""IPriceBook.Fault."""
LENS_AT = "0x" + "1e45".rjust(40, "0")
"""Where the lens's code runs for one call. Nothing is there."""
ROLES = {
    "admin": vault_views.admin,
    "keeper": vault.keeper,
    "guardian": vault_views.guardian,
    "operations": vault_views.operations,
}


@dataclass(frozen=True, slots=True)
class _NamedContracts:
    shares: str
    registry: str
    portfolio: str


def read_vault_state(rpc: Reads, multicall: str, shares: str, chain_id: int | None) -> VaultState:
    """At the latest block of chain ``chain_id``, None for whichever the node is on. Raises WrongContract if the address
    is not that of a vault's shares, else as any read."""
    reported, head = rpc.head()
    block = block_of(reported if chain_id is None else chain_id, reported, head)
    reads = Multicall(rpc, multicall)
    seen = _seen(rpc, shares, block)
    of_shares = reads.read(
        [
            vault.registry(shares),
            vault.portfolio(shares),
            vault_views.name(shares),
            erc20.symbol(shares),
            erc20.decimals(shares),
            vault_views.terms(shares),
            vault_views.interval(shares),
        ],
        block.hash,
    )
    at = _NamedContracts(
        shares, of_shares.first(vault.registry(shares)), of_shares.first(vault.portfolio(shares))
    )
    of_registry = reads.read(
        [
            vault.book(at.registry),
            vault.rebalancer(at.registry),
            vault.swap_factory(at.registry),
            vault_views.last_seen(at.registry),
            vault_views.silence(at.registry),
            *(role(at.registry) for role in ROLES.values()),
            *(erc20.symbol(asset.token) for asset in seen.assets),
        ],
        block.hash,
    )
    symbols = {asset.token: of_registry.first(erc20.symbol(asset.token)) for asset in seen.assets}
    state, line = seen.state, seen.line
    return VaultState(
        block=block,
        address=to_checksum_address(shares),
        name=of_shares.first(vault_views.name(shares)),
        symbol=of_shares.first(erc20.symbol(shares)),
        share_decimals=of_shares.first(erc20.decimals(shares)),
        registry=to_checksum_address(at.registry),
        portfolio=to_checksum_address(at.portfolio),
        rebalancer=to_checksum_address(of_registry.first(vault.rebalancer(at.registry))),
        roles=_roles(reads, block, at, of_registry=of_registry),
        paused=seen.paused,
        silent=seen.silent,
        closed=seen.closed,
        last_seen=max(of_registry.first(vault_views.last_seen(at.registry)), state.last_keeper),
        silence_s=of_registry.first(vault_views.silence(at.registry)),
        epoch=state.epoch,
        last_call=state.last_call,
        levering_closed_until=state.levering_closed_until,
        policy=seen.policy,
        used=UsedWindows(
            *(spent / PART_OF_NAV for spent in (state.loss, state.turnover, state.guardian_loss))
        ),
        net_assets=seen.net_assets,
        fairly_priced=seen.fairly_priced,
        total_shares=seen.share_supply,
        reserved=state.reserved,
        assets=_assets(reads, block, seen, symbols=symbols, of_registry=of_registry, at=at),
        accounts=_accounts(seen, symbols),
        pools=_pools(reads, block, at, symbols=symbols, of_registry=of_registry),
        terms=of_shares.first(vault_views.terms(shares)),
        batch_interval_s=of_shares.first(vault_views.interval(shares)),
        line=Line(
            block.timestamp,
            deposits_closed_at=line.deposits_closed_at,
            redemptions_closed_at=line.redemptions_closed_at,
            pending_assets=line.pending_assets,
            pending_shares=line.pending_shares,
        ),
    )


def _seen(rpc: Reads, shares: str, block: Block) -> LensView:
    """Through the lens, whose code runs within the call."""
    look = vault_views.look(LENS_AT, shares)
    try:
        answer = rpc.request(
            ask.call(
                {"to": LENS_AT, "input": "0x" + look.data.hex()},
                {"blockHash": block.hash},
                {LENS_AT: {"code": LENS_CODE}},
            )
        )
        return look.decode(answer)
    except (RpcError, DecodeError) as error:
        raise WrongContract(
            f"{shares} does not answer as the shares of a vault (eth_call of {rpc.endpoint})",
            remedy="Check the vault's address and the chain, and that the node takes eth_call with replaced code.",
        ) from error


def _roles(
    reads: Multicall, block: Block, at: _NamedContracts, *, of_registry: Answers
) -> tuple[RoleHolder, ...]:
    holders = {role: of_registry.first(call(at.registry)) for role, call in ROLES.items()}
    delay = vault_views.min_delay(holders["admin"])
    delay_s = reads.read([delay], block.hash).maybe(delay)
    return tuple(
        RoleHolder(
            role,
            None if holder == ZERO_ADDRESS else to_checksum_address(holder),
            delay_s=delay_s if role == "admin" else None,
        )
        for role, holder in holders.items()
    )


def _assets(
    reads: Multicall,
    block: Block,
    seen: LensView,
    *,
    symbols: Mapping[str, str],
    of_registry: Answers,
    at: _NamedContracts,
) -> tuple[ListedAsset, ...]:
    book = of_registry.first(vault.book(at.registry))
    feeds = reads.read([vault.feed_of(book, asset.token) for asset in seen.assets], block.hash)
    listed = []
    for asset, quote, idle in zip(seen.assets, seen.quotes, seen.idle, strict=True):
        feed, max_age_s = feeds.first(vault.feed_of(book, asset.token))
        listed.append(
            ListedAsset(
                symbol=symbols[asset.token],
                token=to_checksum_address(asset.token),
                decimals=asset.decimals,
                feed=to_checksum_address(feed),
                max_age_s=max_age_s,
                price=quote.price,
                fault=FAULTS[quote.fault],
                idle=idle,
                dust=10**asset.dust_exponent,
                max_weight_bps=asset.max_weight_bps,
                slippage_bps=asset.slippage_bps,
                lag_bps=asset.lag_bps,
                enabled=asset.enabled,
                borrowable=asset.borrowable,
            )
        )
    return tuple(listed)


def _accounts(seen: LensView, symbols: Mapping[str, str]) -> tuple[AccountHealth, ...]:
    """With the positions that are there."""
    return tuple(
        AccountHealth(
            to_checksum_address(account.account),
            account.health_factor,
            positions=tuple(
                AccountPosition(
                    to_checksum_address(account.account),
                    symbols[asset.token],
                    asset.decimals,
                    supplied=supplied,
                    owed=owed,
                )
                for asset, supplied, owed in zip(seen.assets, account.supplied, account.owed, strict=True)
                if supplied or owed
            ),
        )
        for account in seen.accounts
    )


def _pools(
    reads: Multicall, block: Block, at: _NamedContracts, *, symbols: Mapping[str, str], of_registry: Answers
) -> tuple[SwapPool, ...]:
    """Those of Uniswap's pools of two listed assets that the registry lists."""
    factory = of_registry.first(vault.swap_factory(at.registry))
    candidates = {
        (token, other, fee): pools.pool(factory, token, other, fee)
        for token, other in combinations(symbols, 2)
        for fee in FEE_TIERS
    }
    answers = reads.read(list(candidates.values()), block.hash)
    made = {key: at_ for key, call in candidates.items() if (at_ := answers.first(call)) != ZERO_ADDRESS}
    listed = reads.read([vault.is_listed(at.registry, address) for address in made.values()], block.hash)
    return tuple(
        SwapPool(to_checksum_address(address), (symbols[other], symbols[token]), fee)
        for (token, other, fee), address in made.items()
        if listed.first(vault.is_listed(at.registry, address))
    )

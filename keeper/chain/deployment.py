"""What stands where: found from the vault's address, and again when vault or market are re-configured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from keeper.chain.blocks import block_of
from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import erc20, feed, lending, vault
from keeper.chain.multicall import Multicall
from keeper.chain.rpc import Request, Rpc
from keeper.domain.errors import InvalidSetting, NodeUntrusted, RpcError, WrongContract
from keeper.domain.market import Block, Token
from keeper.domain.units import USD_DECIMALS

ZERO_ADDRESS = "0x" + "0" * 40


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the operator names; everything else follows from the vault."""

    vault: str
    multicall: str
    quoter: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One token of the vault's allowlist: its price feed and its tokens on the lending market."""

    token: Token
    feed: str
    a_token: str
    debt_token: str
    reserve_id: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """``listings[0]`` is the accounting asset, then the settings' symbols. Addresses are checksummed."""

    vault: str
    pool: str
    provider: str
    oracle: str
    strategy: str
    sequencer_feed: str | None
    category: int
    listings: tuple[Listing, ...]
    multicall_code: str

    def token(self, symbol: str) -> Token:
        return next(listing.token for listing in self.listings if listing.token.symbol == symbol)


def discover(
    rpc: Rpc, addresses: Addresses, chain_id: int, symbols: Sequence[str], progress: Callable[[str], None]
) -> tuple[Block, Deployment]:
    """Four round trips. Raises WrongChain, WrongContract, InvalidSetting, NodeUnavailable, NodeUntrusted."""
    progress("looking at the vault and what it is connected to")
    block, multicall_code = _anchored(rpc, addresses, chain_id)
    multicall = Multicall(rpc, addresses.multicall)

    about_vault = _vault_answers(multicall, addresses, block)
    pool = to_checksum_address(about_vault.first(vault.lending_pool(addresses.vault)))
    sequencer_feed, _ = about_vault.first(vault.sequencer(addresses.vault))
    configs = about_vault.first(vault.assets(addresses.vault))
    accounting = about_vault.first(vault.asset(addresses.vault))

    answers = multicall.read(
        [
            lending.addresses_provider(pool),
            lending.interest_rate_strategy(pool),
            lending.category(pool, addresses.vault),
            *(
                call
                for config in configs
                for call in (erc20.symbol(config.token), erc20.decimals(config.token))
            ),
            *(lending.reserve(pool, config.token) for config in configs),
            *(feed.decimals(config.feed) for config in configs),
        ],
        block.hash,
    )
    provider = to_checksum_address(answers.first(lending.addresses_provider(pool)))
    listings = [_listing(config, pool, answers) for config in configs]
    oracle_call = lending.price_oracle(provider)
    oracle = multicall.read([oracle_call], block.hash).first(oracle_call)

    return block, Deployment(
        vault=to_checksum_address(addresses.vault),
        pool=pool,
        provider=provider,
        oracle=to_checksum_address(oracle),
        strategy=to_checksum_address(answers.first(lending.interest_rate_strategy(pool))),
        sequencer_feed=None if sequencer_feed == ZERO_ADDRESS else to_checksum_address(sequencer_feed),
        category=answers.first(lending.category(pool, addresses.vault)),
        listings=_ordered(listings, to_checksum_address(accounting), symbols),
        multicall_code=multicall_code,
    )


def _anchored(rpc: Rpc, addresses: Addresses, chain_id: int) -> tuple[Block, str]:
    """The head, after making sure that there is code at every address the operator named."""
    named = {"vault": addresses.vault, "multicall": addresses.multicall, "quoter": addresses.quoter}
    told_id, head, *codes = rpc.batch(
        [
            Request("eth_chainId"),
            Request("eth_getBlockByNumber", ["latest", False]),
            *(Request("eth_getCode", [address, "latest"]) for address in named.values()),
        ]
    )
    block = block_of(chain_id, told_id, head)
    for (field, address), code in zip(named.items(), codes, strict=True):
        if code in ("0x", None):
            raise WrongContract(
                f"{field}: there is no contract at {address} on chain {chain_id}",
                remedy=f"Correct the {field} address in the settings, or the node's chain.",
            )
    return block, str(codes[1])


def _vault_answers(multicall: Multicall, addresses: Addresses, block: Block) -> Answers:
    address = addresses.vault
    calls: list[Call[Any]] = [
        vault.asset(address),
        vault.assets(address),
        vault.lending_pool(address),
        vault.sequencer(address),
    ]
    try:
        return multicall.read(calls, block.hash)
    except NodeUntrusted as error:
        raise _not_multicall(addresses.multicall) from error
    except RpcError as error:
        if "revert" not in error.text.lower():
            raise
        raise _not_multicall(addresses.multicall) from error


def _not_multicall(address: str) -> WrongContract:
    return WrongContract(
        f"multicall: the contract at {address} is not Multicall3",
        remedy="Correct the multicall address in the settings.",
    )


def _listing(config: vault.AssetConfig, pool: str, answers: Answers) -> Listing:
    symbol = answers.first(erc20.symbol(config.token))
    reserve = answers.first(lending.reserve(pool, config.token))
    if reserve.a_token == ZERO_ADDRESS:
        raise WrongContract(
            f"the vault's asset {symbol} ({config.token}) is not a reserve of the lending pool {pool}",
            remedy="The admin must take it off the vault's list.",
        )
    feed_decimals = answers.first(feed.decimals(config.feed))
    if feed_decimals != USD_DECIMALS:
        raise WrongContract(
            f"the price feed {config.feed} of {symbol} has {feed_decimals} decimals, not {USD_DECIMALS}",
            remedy="The admin must set a USD price feed for this asset.",
        )
    return Listing(
        token=Token(symbol, to_checksum_address(config.token), answers.first(erc20.decimals(config.token))),
        feed=to_checksum_address(config.feed),
        a_token=to_checksum_address(reserve.a_token),
        debt_token=to_checksum_address(reserve.debt_token),
        reserve_id=reserve.reserve_id,
    )


def _ordered(listings: Sequence[Listing], accounting: str, symbols: Sequence[str]) -> tuple[Listing, ...]:
    first = [listing for listing in listings if listing.token.address == accounting]
    rest = {listing.token.symbol: listing for listing in listings if listing.token.address != accounting}
    missing = [symbol for symbol in symbols if symbol not in rest]
    if missing or not first:
        raise InvalidSetting(
            f"assets: {', '.join(missing) or accounting} is not on the vault's list ({', '.join(rest)})",
            remedy="Name only assets that the vault's admin has listed, spelled as the token's symbol.",
        )
    return (first[0], *(rest[symbol] for symbol in symbols))

"""Discovers every contract from the vault's address, and again when vault or market are configured anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eth_utils.address import to_checksum_address

from keeper.address_book.book import Rollup
from keeper.chain import listed_pools, rollup
from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import emode, erc20, feed, lending, pools, queue, vault
from keeper.chain.deployed import Addresses, Deployment, Listing, ReadingScope
from keeper.chain.identity import require_as_listed
from keeper.chain.listed_pools import ZERO_ADDRESS
from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.rpc.reads import Reads
from keeper.domain.errors import InvalidSetting, WrongContract
from keeper.domain.market import Block, Token
from keeper.domain.units import USD_DECIMALS
from keeper.jsonrpc import requests as ask


def discover(rpc: Reads, scope: ReadingScope, progress: Callable[[str], None]) -> tuple[Block, Deployment]:
    """Five round trips. Raises WrongChain, WrongContract, InvalidSetting, NodeUnavailable, NodeUntrusted."""
    addresses, book = scope.addresses, scope.book
    block, multicall_code = _anchored(rpc, addresses, scope.chain_id)
    progress("reading the vault and its contracts")
    multicall = Multicall(rpc, addresses.multicall)
    kind: Rollup = "" if book is None else book.rollup

    about_vault = _vault_answers(multicall, addresses.vault, block.hash)
    pool = to_checksum_address(about_vault.first(vault.lending_pool(addresses.vault)))
    sequencer_feed, _ = about_vault.first(vault.sequencer(addresses.vault))
    configs = about_vault.first(vault.assets(addresses.vault))
    accounting = about_vault.first(vault.asset(addresses.vault))

    answers = multicall.read(
        [
            lending.addresses_provider(pool),
            lending.interest_rate_strategy(pool),
            emode.chosen(pool, addresses.vault),
            *(
                call
                for config in configs
                for call in (erc20.symbol(config.token), erc20.decimals(config.token))
            ),
            *(lending.reserve(pool, config.token) for config in configs),
            *(
                ask(config.feed)
                for config in configs
                for ask in (feed.decimals, feed.description, feed.aggregator)
            ),
            pools.factory(addresses.quoter),
            *([queue.vault(addresses.redemption_queue)] if addresses.redemption_queue else []),
            *rollup.calls(kind),
        ],
        block.hash,
    )
    rollup.require_priced(kind, answers)
    provider = to_checksum_address(answers.first(lending.addresses_provider(pool)))
    factory = answers.first(pools.factory(addresses.quoter))
    behind = {config.feed: _aggregator(config, answers) for config in configs}
    named = {answers.first(erc20.symbol(config.token)): config.token for config in configs}
    cash = answers.first(erc20.symbol(accounting))
    # Keep the vault's spelling of an address, because answers are looked up by it.
    tradable = {symbol: named[symbol] for symbol in (cash, *scope.symbols) if symbol in named}
    oracle_call = lending.price_oracle(provider)
    further = multicall.read(
        [
            oracle_call,
            *(
                ask(aggregator)
                for aggregator in behind.values()
                if aggregator
                for ask in (feed.min_answer, feed.max_answer)
            ),
            *listed_pools.pool_calls(factory, tradable, cash),
        ],
        block.hash,
    )
    oracle = further.first(oracle_call)
    listed = [
        _listing(config, pool, behind[config.feed], answers=answers, further=further) for config in configs
    ]
    listings = _ordered(listed, to_checksum_address(accounting), scope.symbols)

    deployment = Deployment(
        vault=to_checksum_address(addresses.vault),
        pool=pool,
        provider=provider,
        oracle=to_checksum_address(oracle),
        strategy=to_checksum_address(answers.first(lending.interest_rate_strategy(pool))),
        sequencer_feed=None if sequencer_feed == ZERO_ADDRESS else to_checksum_address(sequencer_feed),
        category=answers.first(emode.chosen(pool, addresses.vault)),
        listings=listings,
        pools=listed_pools.listed_pools(factory, tradable, cash, further),
        multicall_code=multicall_code,
        router=to_checksum_address(about_vault.first(vault.swap_router(addresses.vault))),
        rollup=kind,
        redemption_queue=_queue_of_vault(addresses, answers),
    )
    _require_descriptions(listings, addresses.descriptions)
    if book is not None:
        deployment = replace(deployment, notes=require_as_listed(deployment, listed, book))
    for note in deployment.notes:
        progress(note)
    return block, deployment


def _queue_of_vault(addresses: Addresses, answers: Answers) -> str | None:
    if addresses.redemption_queue is None:
        return None
    served = answers.first(queue.vault(addresses.redemption_queue))
    if served != addresses.vault.lower():
        raise WrongContract(
            f"the redemption queue {addresses.redemption_queue} is that of the vault {served}",
            remedy="Correct KEEPER_REDEMPTION_QUEUE, or leave it empty.",
        )
    return to_checksum_address(addresses.redemption_queue)


def _require_descriptions(listings: Sequence[Listing], descriptions: Mapping[str, str]) -> None:
    for listing in listings:
        expected = descriptions.get(listing.token.symbol, listing.description)
        if listing.description != expected:
            raise WrongContract(
                f"the feed {listing.feed} of {listing.token.symbol} has the description {listing.description!r}, "
                f"but the settings expect {expected!r}",
                remedy="Correct oracle.feeds.description if the feed is right; else the vault needs another feed.",
            )


def _anchored(rpc: Reads, addresses: Addresses, chain_id: int) -> tuple[Block, str]:
    """Returns the latest block, after it has checked that every address in the settings holds code."""
    named = {"vault": addresses.vault, "multicall": addresses.multicall, "quoter": addresses.quoter}
    block = latest_block(rpc, chain_id)
    codes = rpc.batch([ask.code(address, {"blockHash": block.hash}) for address in named.values()])
    for (name, address), code in zip(named.items(), codes, strict=True):
        if not code:
            raise WrongContract(
                f"{name}: there is no contract at {address} on chain {chain_id}",
                remedy=f"Correct the {name} address in the settings, or the node's chain.",
            )
    return block, f"0x{codes[1].hex()}"


def _vault_answers(multicall: Multicall, address: str, block_hash: str) -> Answers:
    calls: list[Call[Any]] = [
        vault.asset(address),
        vault.assets(address),
        vault.lending_pool(address),
        vault.swap_router(address),
        vault.sequencer(address),
    ]
    return multicall.first_read(calls, block_hash)


def _aggregator(config: vault.AssetConfig, answers: Answers) -> str | None:
    aggregator = answers.maybe(feed.aggregator(config.feed))
    return None if aggregator in (None, ZERO_ADDRESS) else to_checksum_address(aggregator)


def _listing(
    config: vault.AssetConfig, pool: str, aggregator: str | None, answers: Answers, further: Answers
) -> Listing:
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
        description=answers.maybe(feed.description(config.feed)) or "",
        aggregator=aggregator,
        bounds=_bounds(aggregator, further),
        a_token=to_checksum_address(reserve.a_token),
        debt_token=to_checksum_address(reserve.debt_token),
        reserve_id=reserve.reserve_id,
    )


def _bounds(aggregator: str | None, answers: Answers) -> tuple[int, int]:
    if aggregator is None:
        return 0, 0
    lowest, highest = (
        answers.maybe(feed.min_answer(aggregator)),
        answers.maybe(feed.max_answer(aggregator)),
    )
    return lowest or 0, highest or 0


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

"""Discovers every contract from the address of the vault's shares, and again when vault or market change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_utils.address import to_checksum_address

from keeper.address_book.book import Rollup
from keeper.chain import listed_pools, native_feed, other_accounts, rollup
from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import emode, erc20, feed, lending, safe, vault
from keeper.chain.deployed import Addresses, Deployment, Listing, NativeFeed, ReadingScope
from keeper.chain.identity import require_as_listed
from keeper.chain.listed_pools import ZERO_ADDRESS
from keeper.chain.other_accounts import require_managed
from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.rpc.reads import Reads
from keeper.chain.vault_count import held_tokens
from keeper.domain.errors import InvalidSetting, WrongContract
from keeper.domain.market import Block, Token
from keeper.domain.units import USD_DECIMALS
from keeper.jsonrpc import requests as ask


def discover(rpc: Reads, scope: ReadingScope, progress: Callable[[str], None]) -> tuple[Block, Deployment]:
    """Seven round trips. Raises WrongChain, WrongContract, InvalidSetting, AccountNotManaged, NodeUnavailable,
    NodeUntrusted."""
    addresses, book = scope.addresses, scope.book
    block, multicall_code = _anchored(rpc, addresses, scope.chain_id)
    progress("reading the vault and its contracts")
    multicall = Multicall(rpc, addresses.multicall)
    kind: Rollup = "" if book is None else book.rollup

    contracts = _contracts(multicall, addresses.vault, block)
    about_prices = multicall.read(
        [
            *(safe.identity(scope.modifier.address) if scope.modifier is not None else ()),
            vault.lending_pool(contracts.accounts[0]),
            vault.sequencer(contracts.book),
            *(vault.feed_of(contracts.book, entry.token) for entry in contracts.assets),
            *(vault.position(account, contracts.tokens) for account in contracts.accounts),
            vault.holdings(contracts.portfolio),
            *other_accounts.first_calls(contracts.accounts),
        ],
        block.hash,
    )
    held = held_tokens(contracts.assets, about_prices.first(vault.holdings(contracts.portfolio)))
    pool = to_checksum_address(about_prices.first(vault.lending_pool(contracts.accounts[0])))
    sequencer_feed, _ = about_prices.first(vault.sequencer(contracts.book))
    feeds = {
        entry.token: about_prices.first(vault.feed_of(contracts.book, entry.token))[0]
        for entry in contracts.assets
    }

    sought = native_feed.sought(scope.native, book)
    price_feeds = (*feeds.values(), *(() if sought is None else (sought.feed,)))
    answers = multicall.read(
        [
            lending.addresses_provider(pool),
            lending.interest_rate_strategy(pool),
            emode.chosen(pool, contracts.accounts[0]),
            *(erc20.symbol(token) for token in contracts.tokens),
            *(lending.reserve(pool, token) for token in contracts.tokens),
            *(
                ask(price_feed)
                for price_feed in price_feeds
                for ask in (feed.decimals, feed.description, feed.aggregator)
            ),
            *rollup.calls(kind),
            *other_accounts.second_calls(contracts.accounts, pool, about_prices),
        ],
        block.hash,
    )
    rollup.require_priced(kind, answers)
    provider = to_checksum_address(answers.first(lending.addresses_provider(pool)))
    named = {answers.first(erc20.symbol(token)): token for token in contracts.tokens}
    cash = answers.first(erc20.symbol(contracts.asset))
    unnamed = tuple(
        symbol for symbol, token in named.items() if symbol not in (cash, *scope.symbols) and token in held
    )
    symbols = (*scope.symbols, *unnamed)
    # Keep the vault's spelling of an address, because answers are looked up by it.
    tradable = {symbol: named[symbol] for symbol in (cash, *symbols) if symbol in named}
    behind = {price_feed: _aggregator(price_feed, answers) for price_feed in price_feeds}
    further = multicall.read(
        [
            lending.price_oracle(provider),
            *(
                ask(aggregator)
                for aggregator in behind.values()
                if aggregator
                for ask in (feed.min_answer, feed.max_answer)
            ),
            *listed_pools.pool_calls(contracts.factory, tradable, cash),
        ],
        block.hash,
    )
    oracle = further.first(lending.price_oracle(provider))
    listed = [
        _listing(
            entry,
            feeds[entry.token],
            pool,
            aggregator=behind[feeds[entry.token]],
            answers=answers,
            further=further,
        )
        for entry in contracts.assets
    ]
    listings = _ordered(listed, to_checksum_address(contracts.asset), symbols)
    others = other_accounts.managed_accounts(
        contracts.accounts,
        pool,
        [listing.token.address for listing in listings],
        first=about_prices,
        second=answers,
    )
    token = native_feed.token(scope.native, book)
    of_token = None if token is None else feeds.get(named.get(token, ""))
    coin_feed = native_feed.chosen(sought, of_token, answers)

    deployment = Deployment(
        vault=to_checksum_address(addresses.vault),
        registry=to_checksum_address(contracts.registry),
        portfolio=to_checksum_address(contracts.portfolio),
        rebalancer=to_checksum_address(contracts.rebalancer),
        book=to_checksum_address(contracts.book),
        pricer=to_checksum_address(contracts.pricer),
        accounts=tuple(to_checksum_address(account) for account in contracts.accounts),
        listed=contracts.tokens,
        pool=pool,
        provider=provider,
        oracle=to_checksum_address(oracle),
        strategy=to_checksum_address(answers.first(lending.interest_rate_strategy(pool))),
        sequencer_feed=None if sequencer_feed == ZERO_ADDRESS else to_checksum_address(sequencer_feed),
        category=answers.first(emode.chosen(pool, contracts.accounts[0])),
        listings=listings,
        pools=listed_pools.listed_pools(contracts.factory, tradable, cash, further),
        multicall_code=multicall_code,
        native=None
        if coin_feed is None
        else NativeFeed(
            feed=to_checksum_address(coin_feed),
            aggregator=behind[coin_feed],
            bounds=_bounds(behind[coin_feed], further),
            max_age_s=scope.native.max_age_s,
        ),
        sought=sought if coin_feed is None else None,
        unread=tuple(symbol for symbol in named if symbol not in (cash, *symbols)),
        rollup=kind,
        hop=None if scope.modifier is None else safe.hop(scope.modifier, about_prices),
        others=others,
    )
    require_managed(contracts.accounts, deployment.managed, contracts.tokens, answers=about_prices)
    _require_descriptions(listings, addresses.descriptions)
    if book is not None:
        deployment = replace(deployment, notes=require_as_listed(deployment, listed, book))
    about_gas = native_feed.notes(scope.native, book, coin_feed, answers=answers)
    deployment = replace(deployment, notes=(*deployment.notes, *about_gas))
    for note in deployment.notes:
        progress(note)
    if unnamed:
        progress(
            f"the vault holds {', '.join(unnamed)}, which no [[assets]] table names: it is counted, its target is 0, "
            "and above decision.max_unnamed only an emergency trades"
        )
    return block, deployment


@dataclass(frozen=True, slots=True)
class _Contracts:
    """What the shares and the registry name, as they spell it."""

    registry: str
    portfolio: str
    pricer: str
    asset: str
    rebalancer: str
    book: str
    factory: str
    accounts: tuple[str, ...]
    assets: tuple[vault.AssetEntry, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(entry.token for entry in self.assets)


def _contracts(multicall: Multicall, shares: str, block: Block) -> _Contracts:
    """Two round trips."""
    about = _shares_answers(multicall, shares, block)
    registry = about.first(vault.registry(shares))
    answers = multicall.read(
        [
            vault.rebalancer(registry),
            vault.book(registry),
            vault.swap_factory(registry),
            vault.accounts(registry),
            vault.assets(registry),
        ],
        block.hash,
    )
    return _Contracts(
        registry=registry,
        portfolio=about.first(vault.portfolio(shares)),
        pricer=about.first(vault.pricer(shares)),
        asset=about.first(vault.asset(shares)),
        rebalancer=answers.first(vault.rebalancer(registry)),
        book=answers.first(vault.book(registry)),
        factory=answers.first(vault.swap_factory(registry)),
        accounts=answers.first(vault.accounts(registry)),
        assets=answers.first(vault.assets(registry)),
    )


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


def _shares_answers(multicall: Multicall, shares: str, block: Block) -> Answers:
    calls: list[Call[Any]] = [
        vault.asset(shares),
        vault.registry(shares),
        vault.portfolio(shares),
        vault.pricer(shares),
    ]
    return multicall.first_read(calls, block.hash)


def _aggregator(price_feed: str, answers: Answers) -> str | None:
    aggregator = answers.maybe(feed.aggregator(price_feed))
    return None if aggregator in (None, ZERO_ADDRESS) else to_checksum_address(aggregator)


def _listing(
    entry: vault.AssetEntry,
    price_feed: str,
    pool: str,
    *,
    aggregator: str | None,
    answers: Answers,
    further: Answers,
) -> Listing:
    symbol = answers.first(erc20.symbol(entry.token))
    reserve = answers.first(lending.reserve(pool, entry.token))
    if reserve.a_token == ZERO_ADDRESS:
        raise WrongContract(
            f"the vault's asset {symbol} ({entry.token}) is not a reserve of the lending pool {pool}",
            remedy="The admin must take it off the vault's list.",
        )
    feed_decimals = answers.first(feed.decimals(price_feed))
    if feed_decimals != USD_DECIMALS:
        raise WrongContract(
            f"the price feed {price_feed} of {symbol} has {feed_decimals} decimals, not {USD_DECIMALS}",
            remedy="The admin must set a USD price feed for this asset.",
        )
    return Listing(
        token=Token(symbol, to_checksum_address(entry.token), entry.decimals),
        feed=to_checksum_address(price_feed),
        description=answers.maybe(feed.description(price_feed)) or "",
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

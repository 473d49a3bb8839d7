"""The contracts of one vault: the addresses that the operator names, and what was found from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.address_book.book import Book, Rollup
from keeper.chain.listed_pools import ListedPool
from keeper.domain.market import Token
from keeper.domain.plan import MANAGED_ACCOUNT


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses in the settings. ``vault`` is that of its shares; all others follow from it. ``descriptions``: the
    required descriptions of some tokens' feeds."""

    vault: str
    multicall: str
    quoter: str
    descriptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadingScope:
    """What a ``ChainReader`` reads. ``symbols`` are the risk assets in the settings' order; ``keeper`` is the account
    whose calls are simulated; without a ``book`` nothing is compared with known addresses."""

    chain_id: int
    addresses: Addresses
    symbols: tuple[str, ...]
    keeper: str
    twap_window_s: int
    book: Book | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One token that the vault lists: its price feed and its tokens on the lending market.

    ``aggregator`` is behind the feed, None if it has none. ``bounds`` are its lowest and highest possible answers, 0 if
    they are not known.
    """

    token: Token
    feed: str
    description: str
    aggregator: str | None
    bounds: tuple[int, int]
    a_token: str
    debt_token: str
    reserve_id: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """``listings[0]`` is the accounting asset, then the settings' symbols, then what else the vault holds. ``pools``
    exist between the tokens; the vault may swap in some of them. Addresses are checksummed. ``listed`` are all tokens
    on the vault's list, as it spells them; ``unread`` the symbols of those that it does not hold and no setting names.
    """

    vault: str
    registry: str
    portfolio: str
    rebalancer: str
    book: str
    pricer: str
    accounts: tuple[str, ...]
    listed: tuple[str, ...]
    pool: str
    provider: str
    oracle: str
    strategy: str
    sequencer_feed: str | None
    category: int
    listings: tuple[Listing, ...]
    pools: tuple[ListedPool, ...]
    multicall_code: str
    unread: tuple[str, ...] = ()
    rollup: Rollup = ""
    notes: tuple[str, ...] = ()
    """What differs from the chain's address book, and may well be meant so."""

    @property
    def account(self) -> str:
        return self.accounts[MANAGED_ACCOUNT]

    def token(self, symbol: str) -> Token:
        return next(listing.token for listing in self.listings if listing.token.symbol == symbol)

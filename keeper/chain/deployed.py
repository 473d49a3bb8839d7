"""The contracts of one vault: the addresses that the operator names, and what was found from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.address_book.book import Book, Rollup
from keeper.chain.listed_pools import ListedPool
from keeper.chain.other_accounts import OtherAccount
from keeper.domain.account_venue import FIRST_ACCOUNT
from keeper.domain.market import Token
from keeper.domain.roles_modifier import RolesModifier
from keeper.domain.tx import OutgoingCall


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses in the settings. ``vault`` is that of its shares; all others follow from it. ``descriptions``: the
    required descriptions of some tokens' feeds."""

    vault: str
    multicall: str
    quoter: str
    descriptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NativeCoin:
    """Which feed prices gas: the operator's ``feed``, else that of the vault's token ``wrapped`` (None: of none), else
    the address book's. ``description`` is the name that the operator requires of it. A feed that prices no token of the
    vault is believed for ``max_age_s`` after its last answer."""

    feed: str | None = None
    wrapped: str | None = "WETH"
    max_age_s: int = 86_400
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ReadingScope:
    """What a ``ChainReader`` reads. ``symbols`` are the risk assets in the settings' order; ``keeper`` is the account
    whose calls are simulated; without a ``book`` nothing is compared with known addresses; with a ``modifier`` the
    calls go through it."""

    chain_id: int
    addresses: Addresses
    symbols: tuple[str, ...]
    keeper: str
    twap_window_s: int
    book: Book | None = None
    native: NativeCoin = NativeCoin()
    modifier: RolesModifier | None = None


@dataclass(frozen=True, slots=True)
class SafeHop:
    """The key's calls reach the vault through ``modifier``, as calls of ``safe``. ``target`` is the contract that the
    modifier asks to act."""

    modifier: RolesModifier
    safe: str
    target: str

    @property
    def direct(self) -> bool:
        """Nothing is between modifier and Safe. Through a Delay modifier the keeper could not deleverage at once."""
        return self.target == self.safe


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
class SoughtFeed:
    """A feed that may price gas, and the description that it must have (None: any)."""

    feed: str
    description: str | None


@dataclass(frozen=True, slots=True)
class NativeFeed:
    """The feed that prices gas. ``aggregator`` and ``bounds`` as in ``Listing``, ``max_age_s`` as in ``NativeCoin``."""

    feed: str
    aggregator: str | None
    bounds: tuple[int, int]
    max_age_s: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """``listings[0]`` is the accounting asset, then the settings' symbols, then what else the vault holds. ``pools``
    exist between the tokens; the vault may swap in some of them. Addresses are checksummed. ``listed`` are all tokens
    on the vault's list, as it spells them; ``unread`` the symbols of those that it does not hold and no setting names.
    ``native`` is None where no feed prices gas; ``sought`` is then the feed that did not fit, None where none is known.
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
    native: NativeFeed | None = None
    sought: SoughtFeed | None = None
    unread: tuple[str, ...] = ()
    rollup: Rollup = ""
    notes: tuple[str, ...] = ()
    """What differs from the chain's address book, and may well be meant so."""
    hop: SafeHop | None = None
    """None where the key itself is the vault's keeper."""
    others: tuple[OtherAccount, ...] = ()
    """The accounts that the keeper manages beside the first."""

    @property
    def account(self) -> str:
        """The first, which is on Aave."""
        return self.accounts[FIRST_ACCOUNT.place]

    @property
    def managed(self) -> tuple[int, ...]:
        """The places of the accounts that the keeper manages."""
        return (FIRST_ACCOUNT.place, *(other.place for other in self.others))

    def outgoing(self, calldata: bytes) -> OutgoingCall:
        """The call of the rebalancer as the key sends it."""
        if self.hop is None:
            return OutgoingCall(self.rebalancer, "0x" + calldata.hex())
        modifier = self.hop.modifier
        return OutgoingCall(modifier.address, "0x" + modifier.wrapped(self.rebalancer, calldata).hex())

    def token(self, symbol: str) -> Token:
        return next(listing.token for listing in self.listings if listing.token.symbol == symbol)

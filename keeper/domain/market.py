"""One block, and the state of market and vault at that block's hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from keeper.domain.account_venue import FIRST_ACCOUNT, AccountVenue
from keeper.domain.pool_state import PoolHistory, PoolLiquidity
from keeper.domain.redemptions import Redemptions
from keeper.domain.units import USD, raw_from_usd_floor, usd
from keeper.domain.vault_figures import VaultFigures

HUB = "WETH"
"""Intermediate token for two-hop swaps, besides the accounting asset."""


@dataclass(frozen=True, slots=True)
class Block:
    """The block to which every read of a cycle is pinned. ``base_fee_wei`` is the next block's."""

    chain_id: int
    number: int
    hash: str
    timestamp: int
    base_fee_wei: int
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Token:
    symbol: str
    address: str
    decimals: int


class Trust(StrEnum):
    """What a price may be used for. FRESH: any trade. STALE, SUSPECT: only lowering risk. DEAD: nothing."""

    FRESH = "FRESH"
    STALE = "STALE"
    SUSPECT = "SUSPECT"
    DEAD = "DEAD"


FIRST_ROUND = (1 << 64) | 1
"""The proxy's number of a feed's first round. A feed without a proxy counts from 1."""


@dataclass(frozen=True, slots=True)
class Round:
    """One answer of a Chainlink feed. ``answer`` has 8 decimals; ``round_id`` is the proxy's (phase << 64 | n)."""

    round_id: int
    answer: int
    updated_at: int

    @property
    def is_first(self) -> bool:
        """Whether the feed gave no answer before it."""
        return self.round_id in (1, FIRST_ROUND)


@dataclass(frozen=True, slots=True)
class FeedReading:
    """The last round of a token's feed and what it may be used for.

    ``rule`` (an entry of keeper.oracle.rules) and ``reason`` are empty when FRESH. ``min_answer`` and ``max_answer``
    are the limits of the aggregator's answers, 0 where it has none. ``lowest_opinion`` and ``highest_opinion`` are the
    extremes of the usable prices of other sources, USD with 8 decimals, 0 where there is none."""

    symbol: str
    feed: str
    round: Round
    max_age_s: int
    trust: Trust
    reason: str
    rule: str
    min_answer: int
    max_answer: int
    lowest_opinion: int = 0
    highest_opinion: int = 0

    @property
    def price(self) -> int:
        """USD with 8 decimals, the number that the vault uses."""
        return self.round.answer

    @property
    def price_usd(self) -> float:
        return self.round.answer / USD


@dataclass(frozen=True, slots=True)
class RateCurve:
    """Aave DefaultReserveInterestRateStrategyV2. Rates are fractions a year (0.055 is 5.5 %)."""

    optimal_utilisation: float
    base: float
    slope1: float
    slope2: float


@dataclass(frozen=True, slots=True)
class Reserve:
    """One token's reserve on the lending market. Amounts are raw; caps are whole tokens, 0 for none; rates are
    fractions a year. ``price_source`` is the contract from which the market's oracle reads ``market_price``, empty
    where it does not say."""

    symbol: str
    a_token: str
    debt_token: str
    ltv_bps: int
    liquidation_threshold_bps: int
    reserve_factor_bps: int
    active: bool
    frozen: bool
    paused: bool
    borrowing_enabled: bool
    flash_loan_enabled: bool
    supply_cap: int
    borrow_cap: int
    supplied: int
    borrowed: int
    available: int
    market_price: int
    price_source: str
    supply_rate: float
    borrow_rate: float
    curve: RateCurve


@dataclass(frozen=True, slots=True)
class Holding:
    """The vault's amounts of one token, raw: idle in the vault, supplied as collateral and owed by one account."""

    symbol: str
    idle: int
    supplied: int
    owed: int


@dataclass(frozen=True, slots=True)
class VaultPolicy:
    """PolicyRegistry.policy(), in the contract's units: health factors and leverage with 18 decimals, seconds, bps.

    ``max_loss_bps`` of one call, ``daily_loss_bps`` and ``daily_turnover_bps`` of any 24 hours are of NAV. The losses
    of an emergency and of a ripcord are of the debt that is repaid."""

    min_health: int
    emergency_health: int
    target_health: int
    ripcord_health: int
    max_leverage: int
    min_interval: int
    ripcord_interval: int
    max_loss_bps: int
    daily_loss_bps: int
    daily_turnover_bps: int
    max_gap_bps: int
    guardian_loss_bps: int
    emergency_loss_bps: int
    ripcord_loss_bps: int


@dataclass(frozen=True, slots=True)
class VaultAsset:
    """One entry of PolicyRegistry.assets(), with its feed. Less than ``dust`` raw counts for nothing.

    ``slippage_bps`` is what a swap may return less than the oracle's price beyond the pool's fee, ``lag_bps`` how far
    the vault assumes the feed to lag behind the market."""

    symbol: str
    feed: str
    max_age_s: int
    max_weight_bps: int
    enabled: bool
    slippage_bps: int
    lag_bps: int
    dust: int
    borrowable: bool


@dataclass(frozen=True, slots=True)
class SwapPool:
    """A Uniswap V3 pool that the vault may swap in. ``fee`` in hundredths of a bp."""

    address: str
    symbols: tuple[str, str]
    fee: int


@dataclass(frozen=True)  # without slots: the cached properties need an instance dictionary
class Vault:
    """The vault's state. ``address`` is that of its shares, ``rebalancer`` takes the keeper's calls, ``account`` is the
    account that the snapshot shows.

    ``last_rebalance`` is the keeper's last call, 0 before the first. Nothing is borrowed before
    ``levering_closed_until``. ``reserved`` is the cash that a rebalance must leave idle as far as it is there.
    ``total_assets``, ``reserved`` and ``pending_deposits`` are raw of the accounting asset, ``total_shares`` raw; what
    the last 24 hours used is a fraction of NAV."""

    address: str
    rebalancer: str
    account: str
    epoch: int
    last_rebalance: int
    paused: bool
    policy: VaultPolicy
    assets: tuple[VaultAsset, ...]
    pools: tuple[SwapPool, ...]
    used_daily_loss: float
    used_daily_turnover: float
    levering_closed_until: int
    reserved: int
    total_assets: int
    total_shares: int
    pending_deposits: int

    def asset(self, symbol: str) -> VaultAsset:
        """The token's entry; for one that is not listed, an entry that allows nothing."""
        return self._asset_by_symbol.get(symbol) or _unlisted(symbol)

    def fees(self, symbol: str, other: str) -> tuple[int, ...]:
        """Fees of the listed pools of two tokens, ascending."""
        return self._fees_by_pair.get(frozenset((symbol, other)), ())

    @cached_property
    def _asset_by_symbol(self) -> dict[str, VaultAsset]:
        return {asset.symbol: asset for asset in self.assets}

    @cached_property
    def _fees_by_pair(self) -> dict[frozenset[str], tuple[int, ...]]:
        fees: dict[frozenset[str], tuple[int, ...]] = {}
        for pool in sorted(self.pools, key=lambda pool: pool.fee):
            pair = frozenset(pool.symbols)
            fees[pair] = (*fees.get(pair, ()), pool.fee)
        return fees


def _unlisted(symbol: str) -> VaultAsset:
    return VaultAsset(
        symbol, "", 0, max_weight_bps=0, enabled=False, slippage_bps=0, lag_bps=0, dust=0, borrowable=False
    )


@dataclass(frozen=True, slots=True)
class Account:
    """Aave Pool.getUserAccountData of an account. The base currency is the venue's: on Aave USD with 8 decimals, on
    Morpho Blue the loan token, raw. The health factor has 18 decimals (2^256-1: no debt)."""

    collateral_base: int
    debt_base: int
    health_factor: int


@dataclass(frozen=True, slots=True)
class Sequencer:
    """L2 sequencer uptime feed. ``status_since`` is startedAt. The sequencer counts as up ``grace_s`` after it came
    up."""

    up: bool
    status_since: int
    grace_s: int


@dataclass(frozen=True, slots=True)
class LendingAccount:
    """One of the vault's accounts. Tuples are in the order of the snapshot's tokens; amounts are raw. A token that the
    venue does not have is an inactive reserve. Every ``market_price`` is the first account's venue's: the vault takes
    its second opinion there."""

    venue: AccountVenue
    address: str
    reserves: tuple[Reserve, ...]
    supplied: tuple[int, ...]
    owed: tuple[int, ...]
    account: Account
    flash_premium_bps: int


@dataclass(frozen=True)  # without slots: the cached properties need an instance dictionary
class MarketSnapshot:
    """The state of market and vault at one block hash. Tuples with one entry per token are in the order of ``tokens``.

    ``tokens[0]`` is the accounting and debt asset (USDC); the others are the risk assets, in the settings' order, and
    after them what else the vault holds.
    ``pools`` are pools of a risk asset against the accounting asset, ``depths`` those and the pools against the hub.
    ``l1_fee_wei`` is a rollup's fee for publishing a typical rebalance, 0 on other chains. ``sequencer`` is None on
    a chain without one. ``vault_figures`` is what the vault itself counts, None where no contract was asked.
    ``native_coin`` is the feed that prices gas, None in records of versions that did not read it.
    ``acts_as`` is the Safe that the key acts as through a Roles modifier, empty where the key calls the vault itself.
    ``reserves``, ``holdings``, ``account``, ``flash_premium_bps`` and ``vault.account`` are those of the account at
    ``venue``: as read, the first. ``others`` are the other accounts; ``keeper.domain.accounts`` shows one of them.
    """

    block: Block
    tokens: tuple[Token, ...]
    feeds: tuple[FeedReading, ...]
    reserves: tuple[Reserve, ...]
    holdings: tuple[Holding, ...]
    account: Account
    vault: Vault
    sequencer: Sequencer | None
    flash_premium_bps: int
    keeper_address: str
    keeper_balance_wei: int
    keeper_has_role: bool
    pools: tuple[PoolHistory, ...]
    l1_fee_wei: int
    redemptions: Redemptions
    depths: tuple[PoolLiquidity, ...]
    vault_figures: VaultFigures | None = None
    native_coin: FeedReading | None = None
    acts_as: str = ""
    venue: AccountVenue = FIRST_ACCOUNT
    others: tuple[LendingAccount, ...] = ()

    @property
    def debt_token(self) -> Token:
        return self.tokens[0]

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        return tuple(token.symbol for token in self.tokens)

    @cached_property
    def risk_symbols(self) -> tuple[str, ...]:
        return self.symbols[1:]

    @cached_property
    def _index_by_symbol(self) -> dict[str, int]:
        return {symbol: index for index, symbol in enumerate(self.symbols)}

    def index(self, symbol: str) -> int:
        """Position of the token in every per-token tuple. Raises KeyError for an unknown symbol."""
        return self._index_by_symbol[symbol]

    def token(self, symbol: str) -> Token:
        return self.tokens[self.index(symbol)]

    def price(self, symbol: str) -> int:
        """USD with 8 decimals: the feed's, or the lending market's where the feed has none. 0 where neither has one."""
        place = self.index(symbol)
        price = self.feeds[place].price
        return price if price > 0 else self.reserves[place].market_price

    def exit_price(self, symbol: str) -> int:
        """The price at which a sale must be worth it: of a price that is not FRESH the lowest of all sources."""
        feed = self.feeds[self.index(symbol)]
        if feed.trust is Trust.FRESH:
            return feed.price
        return min(self._sources(symbol, feed.lowest_opinion), default=0)

    def entry_price(self, symbol: str) -> int:
        """The price at which a sale's proceeds count: of a price that is not FRESH the highest of all sources."""
        feed = self.feeds[self.index(symbol)]
        if feed.trust is Trust.FRESH:
            return feed.price
        return max(self._sources(symbol, feed.highest_opinion), default=0)

    def _sources(self, symbol: str, opinion: int) -> list[int]:
        prices = (self.feeds[self.index(symbol)].price, self.reserve(symbol).market_price, opinion)
        return [price for price in prices if price > 0]

    def value_usd(self, symbol: str, raw: int) -> float:
        """Of a raw amount at the feed's price."""
        return usd(raw, self.token(symbol).decimals, self.price(symbol))

    def raw_worth(self, symbol: str, value_usd: float) -> int:
        """Largest raw amount that is worth at most ``value_usd`` at the feed's price."""
        return raw_from_usd_floor(value_usd, self.token(symbol).decimals, self.price(symbol))

    def reserve(self, symbol: str) -> Reserve:
        return self.reserves[self.index(symbol)]

    def holding(self, symbol: str) -> Holding:
        return self.holdings[self.index(symbol)]

    @cached_property
    def elsewhere(self) -> tuple[Holding, ...]:
        """What all ``others`` have supplied and owe."""
        supplied, owed = [other.supplied for other in self.others], [other.owed for other in self.others]
        return tuple(
            Holding(symbol, 0, sum(row[i] for row in supplied), owed=sum(row[i] for row in owed))
            for i, symbol in enumerate(self.symbols)
        )

    @property
    def lowest_health(self) -> int:
        """Of all accounts, with 18 decimals."""
        return min([self.account.health_factor, *(other.account.health_factor for other in self.others)])


def lowest_trust(readings: Sequence[FeedReading]) -> FeedReading:
    """The reading with the lowest trust; the first of equals."""
    order = (Trust.DEAD, Trust.SUSPECT, Trust.STALE, Trust.FRESH)
    return min(readings, key=lambda reading: order.index(reading.trust))

"""What the keeper saw: one block, and everything about market and vault at that block's hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from keeper.domain.redemptions import Redemptions
from keeper.domain.units import USD

HUB = "WETH"
"""Beside the accounting asset the token through which pools are reached that have no direct one."""


@dataclass(frozen=True, slots=True)
class Block:
    """The block that every read of a cycle is pinned to. ``base_fee_wei`` is the next block's. ``gas_limit`` came
    later: 0 is not known."""

    chain_id: int
    number: int
    hash: str
    timestamp: int
    base_fee_wei: int
    gas_limit: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    symbol: str
    address: str
    decimals: int


class Trust(StrEnum):
    """What a price may be used for: FRESH trades, STALE and SUSPECT only lower risk, DEAD does nothing."""

    FRESH = "FRESH"
    STALE = "STALE"
    SUSPECT = "SUSPECT"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class Round:
    """One answer of a price feed. ``answer`` has the feed's 8 decimals; ``round_id`` is the proxy's (phase <<
    64 | n)."""

    round_id: int
    answer: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class FeedReading:
    """The last round of an asset's feed and what it may be used for; ``rule`` (an entry of keeper.oracle.rules) and
    ``reason`` are empty when FRESH. ``min_answer`` and ``max_answer`` bound what its aggregator can answer, 0 where it
    does not say. The fields with a default came later."""

    symbol: str
    feed: str
    round: Round
    max_age_s: int
    trust: Trust
    reason: str
    rule: str = ""
    min_answer: int = 0
    max_answer: int = 0

    @property
    def price(self) -> int:
        """USD with 8 decimals, as the vault uses it."""
        return self.round.answer

    @property
    def price_usd(self) -> float:
        return self.round.answer / USD


@dataclass(frozen=True, slots=True)
class RateCurve:
    """Aave DefaultReserveInterestRateStrategyV2, all as fractions a year (0.055 = 5.5 %)."""

    optimal_utilisation: float
    base: float
    slope1: float
    slope2: float


@dataclass(frozen=True, slots=True)
class Reserve:
    """One token's reserve on the lending market. Amounts raw; caps in whole tokens, 0 is none; rates are
    fractions a year."""

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
    supply_rate: float
    borrow_rate: float
    curve: RateCurve


@dataclass(frozen=True, slots=True)
class Holding:
    """What the vault has of one token, raw: in its own hands, supplied as collateral, owed."""

    symbol: str
    idle: int
    supplied: int
    owed: int


@dataclass(frozen=True, slots=True)
class VaultPolicy:
    """RiskParityVault.policy(), in its own units."""

    min_health_factor: int
    max_leverage: int
    ripcord_health_factor: int
    ripcord_target_health_factor: int
    min_interval: int
    ripcord_interval: int
    max_loss_bps: int
    max_emergency_loss_bps: int
    max_daily_loss_bps: int
    max_daily_emergency_loss_bps: int
    max_daily_turnover_bps: int
    max_oracle_gap_bps: int


@dataclass(frozen=True, slots=True)
class VaultAsset:
    """RiskParityVault.assets(), one entry."""

    symbol: str
    feed: str
    max_age_s: int
    max_weight_bps: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class Vault:
    """The vault's own state at the block. ``total_assets`` and ``total_shares`` raw; used budgets as
    fractions of NAV."""

    address: str
    epoch: int
    last_rebalance: int
    paused: bool
    policy: VaultPolicy
    assets: tuple[VaultAsset, ...]
    fee_tiers: tuple[int, ...]
    used_daily_loss: float
    used_daily_emergency_loss: float
    used_daily_turnover: float
    total_assets: int
    total_shares: int


@dataclass(frozen=True, slots=True)
class Account:
    """Aave Pool.getUserAccountData of the vault: base currency with 8 decimals, health factor 1e18 (2^256-1:
    no debt)."""

    collateral_base: int
    debt_base: int
    health_factor: int


@dataclass(frozen=True, slots=True)
class Sequencer:
    """L2 sequencer uptime feed. ``status_since`` is startedAt; ``grace_s`` must have passed since it came
    up."""

    up: bool
    status_since: int
    grace_s: int


@dataclass(frozen=True, slots=True)
class PoolHistory:
    """What a Uniswap V3 pool of an asset and the accounting asset remembers of the last ``window_s`` seconds.

    ``mean_tick`` is the time-weighted mean, ``mean_liquidity`` the harmonic mean of the liquidity in range, both None
    where the pool remembers less than that; ``asset_is_token0`` says which way the tick counts; ``observations`` is how
    many it keeps (its cardinality)."""

    symbol: str
    pool: str
    fee: int
    asset_is_token0: bool
    observations: int
    window_s: int
    mean_tick: int | None
    mean_liquidity: int | None


@dataclass(frozen=True, slots=True)
class PoolLiquidity:
    """A Uniswap V3 pool of an asset and the token it is traded against, as it stands at the block.

    ``sqrt_price`` is slot0's, the root of token1 per token0 (raw) times 2^96; ``liquidity`` is in range now,
    ``mean_liquidity`` its harmonic mean over the window of ``PoolHistory``, None where the pool remembers less."""

    symbol: str
    quote: str
    fee: int
    asset_is_token0: bool
    sqrt_price: int
    liquidity: int
    mean_liquidity: int | None


@dataclass(frozen=True)
class MarketSnapshot:
    """Everything about market and vault at one block hash. Per-token tuples are in the order of ``tokens``.

    ``tokens[0]`` is the accounting and debt asset (USDC); the others are the risk assets, in the settings'
    order. The fields with a default came later.
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
    pools: tuple[PoolHistory, ...] = ()
    l1_fee_wei: int = 0
    """What a rollup charges for publishing a typical rebalance, beside its gas; 0 where there is none."""
    redemptions: Redemptions | None = None
    """None without a redemption queue."""
    depths: tuple[PoolLiquidity, ...] = ()
    """Of the pools of each risk asset against the accounting asset, and against the hub."""

    @property
    def debt_token(self) -> Token:
        return self.tokens[0]

    @property
    def risk_symbols(self) -> tuple[str, ...]:
        return tuple(token.symbol for token in self.tokens[1:])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {token.symbol: place for place, token in enumerate(self.tokens)}

    def index(self, symbol: str) -> int:
        return self._places[symbol]

    def token(self, symbol: str) -> Token:
        return self.tokens[self.index(symbol)]

    def price(self, symbol: str) -> int:
        """Feed price, USD with 8 decimals."""
        return self.feeds[self.index(symbol)].price

    def reserve(self, symbol: str) -> Reserve:
        return self.reserves[self.index(symbol)]

    def holding(self, symbol: str) -> Holding:
        return self.holdings[self.index(symbol)]

    @property
    def zero_ltv_collateral(self) -> tuple[str, ...]:
        """Collateral whose loan to value is 0: while any of it is there, a borrower may withdraw nothing else (Aave
        ValidationLogic.validateHFAndLtvzero)."""
        if self.holdings[0].owed == 0:
            return ()
        return tuple(
            token.symbol
            for token, reserve, holding in zip(self.tokens, self.reserves, self.holdings, strict=True)
            if holding.supplied and reserve.ltv_bps == 0 and reserve.liquidation_threshold_bps
        )


def lowest_trust(readings: Sequence[FeedReading]) -> FeedReading:
    """The reading that allows least; the first of equals."""
    order = (Trust.DEAD, Trust.SUSPECT, Trust.STALE, Trust.FRESH)
    return min(readings, key=lambda reading: order.index(reading.trust))

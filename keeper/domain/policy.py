"""The limits and preferences of the strategy: plain numbers, read once from the settings, tightened by the
vault's own.

Volatilities and rates are annualised fractions; half-lives are days; bands and shares are fractions; times
are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from keeper.domain.urgency import Urgency


@dataclass(frozen=True, slots=True)
class AssetPolicy:
    """One risk asset. ``implied_underlying`` is the option market it reads ("BTC"), or None: it borrows a
    ratio.

    ``implied_weight`` is the share of implied variance in the blend: ω in variance, k in logs."""

    symbol: str
    budget: float
    max_weight: float
    implied_underlying: str | None
    implied_weight: float
    max_share: float = 1.0
    """Of the value of all risk assets."""
    trade_cost_bps: int | None = None
    """None: as ``DecisionPolicy.trade_cost_bps``."""


@dataclass(frozen=True, slots=True)
class EstimatePolicy:
    """How rounds become bars, and ``estimate`` turns them into a covariance.

    ``volatility``, ``correlation`` and ``implied_blend`` name entries of the tables in keeper.risk. The fields
    with a default came later: a record made without them replays as it was concluded.
    """

    bar_seconds: int
    history_s: int
    volatility_half_life_days: float
    correlation_half_life_days: float
    shrink: bool
    min_bars: int
    max_gap_s: int
    volatility_floor: float
    implied_max_age_s: int
    implied_decay_s: int
    implied_ratio_min: float
    implied_ratio_max: float
    volatility: str = "ewma"
    correlation: str = "ewma"
    mix_half_lives_days: tuple[float, ...] = (1.0, 5.0, 42.0)
    har_weights: tuple[float, ...] = (0.25, 0.28, 0.21, 0.26)
    har_scale: float = 1.25
    implied_blend: str = "variance"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named joint loss of the collateral, as a fraction."""

    name: str
    loss: float


@dataclass(frozen=True, slots=True)
class Group:
    """Assets that together are at most ``max_share`` of the value of all risk assets."""

    name: str
    symbols: tuple[str, ...]
    max_share: float


@dataclass(frozen=True, slots=True)
class SizePolicy:
    """How ``size`` turns a model into weights and leverage."""

    allocation: str
    target_volatility: float
    max_leverage: float
    min_health_factor: float
    stress_health_factor: float
    stress_sigmas: float
    time_to_act_s: int
    scenarios: tuple[Scenario, ...]
    max_borrow_rate: float
    max_utilisation: float
    market_share: float
    idle_buffer: float
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class UrgencyLimits:
    """What one urgency may cost. ``cooldown_s`` is the least time since the last rebalance."""

    urgency: Urgency
    max_gas_price_wei: int
    max_slippage_bps: int
    max_trade: float
    cooldown_s: int
    recentring: float


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """When ``decide`` trades, and how much.

    ``out_of_band`` is the outer band of risk shares; the other bands' outer bands are as many times wider.
    Volatility and leverage bands are fractions of their targets. ``triggers`` names those looked at beside the health
    factor's; ``rebalance_to`` names an entry of the table in keeper.decision.aims. The tracking error is
    annualised, of the held weights against the target's; ``tracking_error_left`` is a part of its band. The fields
    with a default came later: a record made without them replays as it was concluded.
    """

    risk_share_band: float
    out_of_band: float
    volatility_band: float
    leverage_band: float
    alert_health_factor: float
    act_health_factor: float
    safe_health_factor: float
    max_age_s: int
    patience_s: int
    min_trade_usd: float
    risk_aversion: float
    horizon_s: int
    trade_cost_bps: int
    rebalance_gas: int
    gas_reserve_wei: int
    max_oracle_gap_bps: int
    limits: tuple[UrgencyLimits, ...]
    triggers: tuple[str, ...] = ("risk_share", "volatility", "leverage", "age")
    rebalance_to: str = "target"
    tracking_error_band: float = 0.04
    tracking_error_left: float = 0.5
    learn_costs: bool = True
    """Whether what trades did cost draws the assumed costs towards it."""
    max_redemption_wait_s: int = 86_400
    pool_costs: bool = True
    """Whether the depth of the pools, where it is known, takes the place of the assumed costs."""

    def at(self, urgency: Urgency) -> UrgencyLimits:
        """The row of the urgency table."""
        return next(row for row in self.limits if row.urgency is urgency)


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """How ``route`` builds a plan and what ``verify`` accepts of its simulation. ``public_tolerance_bps`` came later:
    how much less than quoted an emergency's sale may return, besides what its slippage against the oracle allows."""

    deadline_s: int
    dust_usd: float
    gas_usd_price_symbol: str
    gas_limit_margin: float
    nav_tolerance_bps: int
    leverage_tolerance: float
    weight_tolerance: float
    public_tolerance_bps: int = 10_000


@dataclass(frozen=True, slots=True)
class DailyPolicy:
    """What the keeper may use up in 24 hours of the chain's time, beside the vault's own budgets: NAV lost (fraction),
    value sold (NAVs), gas (wei), calls mined and reverted. Used-up loss or failures pause the keeper, used-up turnover
    or gas only hold planned trades back until the time has passed."""

    max_loss: float = math.inf
    max_turnover: float = math.inf
    max_gas_wei: int = 2**256
    max_failures: int = 2**31


@dataclass(frozen=True, slots=True)
class FeedPolicy:
    """What is expected of one token's price feed.

    Older than ``heartbeat_s + grace_s`` is too old (heartbeat None: the vault's own limit alone counts, which always
    does). ``deviation_bps`` is how far the price moves before the feed answers anew; ``max_jump`` the largest believed
    fall or rise since the last accepted price within an hour, growing with the square root of the time."""

    symbol: str
    heartbeat_s: int | None = None
    grace_s: int = 300
    deviation_bps: int = 50
    max_jump: float = 0.15


@dataclass(frozen=True, slots=True)
class OraclePolicy:
    """When a price is believed. A feed may differ from the median of all opinions by its deviation and
    ``disagreement_bps``; opinions older than ``opinion_max_age_s`` count for nothing; a pool's mean price over
    ``twap_window_s`` counts where moving it by one per cent would take ``twap_min_depth_usd``. The clock and the
    block may be ``max_head_age_s`` apart (None: not compared)."""

    feeds: tuple[FeedPolicy, ...] = ()
    disagreement_bps: int = 150
    opinion_max_age_s: int = 300
    twap_window_s: int = 1_800
    twap_min_depth_usd: float = 50_000.0
    max_head_age_s: int | None = None

    def feed(self, symbol: str) -> FeedPolicy:
        """The token's own, else the defaults."""
        return next((feed for feed in self.feeds if feed.symbol == symbol), FeedPolicy(symbol))


@dataclass(frozen=True, slots=True)
class Policy:
    """``daily`` and ``oracle`` came later: a record made without them replays as it was concluded."""

    assets: tuple[AssetPolicy, ...]
    estimate: EstimatePolicy
    size: SizePolicy
    decision: DecisionPolicy
    plan: PlanPolicy
    daily: DailyPolicy = DailyPolicy()
    oracle: OraclePolicy | None = None

    def of(self, symbols: Collection[str]) -> Policy:
        """The policy of these assets alone: budgets scaled to sum to 1, groups without those left out."""
        kept = tuple(asset for asset in self.assets if asset.symbol in symbols)
        total = math.fsum(asset.budget for asset in kept)
        groups = (
            replace(group, symbols=tuple(symbol for symbol in group.symbols if symbol in symbols))
            for group in self.size.groups
        )
        return replace(
            self,
            assets=tuple(replace(asset, budget=asset.budget / total) for asset in kept),
            size=replace(self.size, groups=tuple(group for group in groups if group.symbols)),
        )

    def asset(self, symbol: str) -> AssetPolicy:
        return next(asset for asset in self.assets if asset.symbol == symbol)

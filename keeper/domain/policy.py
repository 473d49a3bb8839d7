"""Limits and preferences of the strategy. The settings give them their values, and only there are defaults; the
vault's own limits tighten them (keeper.sizing.tighten).

Volatilities and rates are annualised fractions, half-lives are days, bands and shares are fractions, times are
seconds. docs/settings.md describes each number.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from keeper.domain.line import LinePolicy
from keeper.domain.urgency import Urgency
from keeper.domain.weekly_closure import WeeklyClosure


@dataclass(frozen=True, slots=True)
class AssetPolicy:
    """One risk asset. ``budget`` is 0 for one that the vault holds and the settings do not name.
    ``implied_underlying`` is its option market ("BTC"); an asset without one (None) uses the ratio of implied to
    historical volatility of the others.

    ``implied_weight`` is the weight of implied volatility in the blend: ω in variances, k in logs. ``max_weight`` is
    the largest value / NAV, ``max_share`` the largest share of the value of all risk assets. ``trade_cost_bps`` None
    means ``DecisionPolicy.trade_cost_bps``, ``volatility_floor`` None ``EstimatePolicy.volatility_floor``.
    ``yearly_yield`` is what it earns besides the lending market's supply rate; its price contains it. ``closed`` is
    when its market is, None for one that never closes."""

    symbol: str
    budget: float
    max_weight: float
    implied_underlying: str | None
    implied_weight: float
    max_share: float
    trade_cost_bps: int | None
    yearly_yield: float = 0.0
    volatility_floor: float | None = None
    closed: WeeklyClosure | None = None


@dataclass(frozen=True, slots=True)
class EstimatePolicy:
    """How price rounds become bars, and bars a covariance.

    ``volatility``, ``correlation`` and ``implied_blend`` name entries of the tables in keeper.risk. Less than the part
    ``min_history`` of the window is too short a history to raise risk on. ``implied_max_fall`` is the largest believed
    fall of implied volatility within an hour; it grows with the square root of the time. What was lost
    ``accept_after_s`` ago is no longer missed.
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
    implied_ratio_max: float
    volatility: str
    correlation: str
    mix_half_lives_days: tuple[float, ...]
    har_weights: tuple[float, ...]
    har_scale: float
    implied_blend: str
    min_history: float
    implied_max_fall: float
    accept_after_s: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named joint loss of the collateral, as fractions: ``losses`` of the assets named there, ``loss`` of all
    others."""

    name: str
    loss: float
    losses: tuple[tuple[str, float], ...] = ()

    def of(self, symbols: Sequence[str]) -> tuple[float, ...]:
        """What each asset loses."""
        named = dict(self.losses)
        return tuple(named.get(symbol, self.loss) for symbol in symbols)


@dataclass(frozen=True, slots=True)
class AssetGroup:
    """A cap on several assets: together at most ``max_share`` of the value of all risk assets."""

    name: str
    symbols: tuple[str, ...]
    max_share: float


@dataclass(frozen=True, slots=True)
class AssetClass:
    """Assets that share a risk budget: where one of them is not deployed, the others take its part."""

    name: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RiskFactor:
    """A common move that carries ``budget`` of the risk that factors explain: the return of the ``portfolio``, value by
    asset in any scale, negative for a short leg."""

    name: str
    budget: float
    portfolio: tuple[tuple[str, float], ...]

    def of(self, symbols: Collection[str]) -> RiskFactor | None:
        """The factor without the other assets. None where nothing is left, or a factor with a short leg lost an asset:
        half a difference is another bet."""
        remaining = tuple((symbol, value) for symbol, value in self.portfolio if symbol in symbols)
        is_whole = len(remaining) == len(self.portfolio)
        if not remaining or (not is_whole and any(value < 0.0 for _, value in self.portfolio)):
            return None
        return replace(self, portfolio=remaining)


@dataclass(frozen=True, slots=True)
class SizePolicy:
    """How ``size`` turns a risk model into weights and leverage. ``reward_per_risk`` is the assumed yearly return per
    unit of volatility; 0 turns its bound off. The assets' budgets already contain those of their ``classes``.
    ``max_venue_share`` is the largest part of the collateral in one protocol, where another can take it."""

    allocation: str
    target_volatility: float
    max_leverage: float
    min_health_factor: float
    stress_health_factor: float
    stress_sigmas: float
    time_to_act_s: int
    scenarios: tuple[Scenario, ...]
    max_borrow_rate: float
    reward_per_risk: float
    max_utilisation: float
    market_share: float
    idle_buffer: float
    groups: tuple[AssetGroup, ...]
    classes: tuple[AssetClass, ...] = ()
    factors: tuple[RiskFactor, ...] = ()
    max_venue_share: float = 1.0


@dataclass(frozen=True, slots=True)
class UrgencyLimits:
    """Limits of one urgency.

    ``max_trade`` limits the sum of absolute weight changes in one cycle, in NAVs. ``cooldown_s`` is the minimum time
    since the last rebalance. ``recentring`` is the part of the way to the target that one rebalance goes."""

    urgency: Urgency
    max_gas_price_wei: int
    max_slippage_bps: int
    max_trade: float
    cooldown_s: int
    recentring: float


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """When ``decide`` trades, and how much.

    ``out_of_band`` is the outer band of risk shares; every other band is widened by the same factor. Volatility and
    leverage bands are fractions of their targets. ``triggers`` names the active triggers besides the health factor's,
    which is always active. ``rebalance_to`` names an entry of the table in keeper.decision.aims.
    ``tracking_error_band`` is the annualised tracking error of the held weights against the target's;
    ``tracking_error_left`` is a fraction of that band. ``health_band`` is the part by which the health factor may lie
    below what the bounds on leverage ask of the held weights. The benefit of a trade that adds risk counts over the
    time since the last rebalance, at least ``shortest_horizon_s`` and at most ``horizon_s``; that of another trade over
    ``horizon_s``. ``routine_every_s`` is the minimum time since the last rebalance of a ROUTINE trade that raises no
    cash for redemptions. ``learn_costs`` moves the assumed trading costs towards those
    of past trades; ``pool_costs`` replaces them by the cost in pools of known depth. Debt and collateral change
    account where the interest saved over ``carry_horizon_s`` is ``min_saving`` times what that costs.
    """

    risk_share_band: float
    out_of_band: float
    volatility_band: float
    leverage_band: float
    health_band: float
    alert_health_factor: float
    act_health_factor: float
    safe_health_factor: float
    max_age_s: int
    routine_every_s: int
    patience_s: int
    min_trade_usd: float
    risk_aversion: float
    horizon_s: int
    shortest_horizon_s: int
    trade_cost_bps: int
    rebalance_gas: int
    gas_reserve_wei: int
    max_oracle_gap_bps: int
    max_vault_gap_bps: int
    max_unnamed: float
    limits: tuple[UrgencyLimits, ...]
    triggers: tuple[str, ...]
    rebalance_to: str
    tracking_error_band: float
    tracking_error_left: float
    learn_costs: bool
    max_redemption_wait_s: int
    pool_costs: bool
    carry_horizon_s: int = 30 * 86_400
    min_saving: float = 3.0

    def at(self, urgency: Urgency) -> UrgencyLimits:
        """The row of the urgency table."""
        return next(row for row in self.limits if row.urgency is urgency)


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """How ``route`` builds a plan and what ``verify`` accepts of its simulation.

    ``public_tolerance_bps`` is how much less than quoted an emergency's sale may return; the limit on slippage against
    the oracle holds as well. ``max_fee_wei`` limits a transaction's gas limit times its fee per gas."""

    deadline_s: int
    dust_usd: float
    gas_usd_price_symbol: str
    gas_limit_margin: float
    nav_tolerance_bps: int
    leverage_tolerance: float
    weight_tolerance: float
    public_tolerance_bps: int
    max_fee_wei: int


@dataclass(frozen=True, slots=True)
class DailyPolicy:
    """The keeper's budgets for 24 hours of the chain's time: NAV lost (fraction), value sold (NAVs), gas (wei), calls
    mined and reverted.

    A loss or failures beyond the budget pause the keeper. Turnover or gas beyond it delays planned trades until it is
    free again."""

    max_loss: float
    max_turnover: float
    max_gas_wei: int
    max_failures: int


@dataclass(frozen=True, slots=True)
class FeedPolicy:
    """Expected behaviour of one token's price feed.

    An answer older than ``heartbeat_s + grace_s`` is too old; with heartbeat None only the vault's own age limit
    counts. ``deviation_bps`` is the price move that makes the feed publish a new answer. ``max_jump`` is the largest
    believed price move within an hour of the last fresh price; it grows with the square root of the time. While its
    market is ``closed`` an answer does not age. A ``rate_based`` feed multiplies a rate of redemption, so a lost peg
    does not move it."""

    symbol: str
    heartbeat_s: int | None
    grace_s: int
    deviation_bps: int
    max_jump: float
    closed: WeeklyClosure | None = None
    rate_based: bool = False


@dataclass(frozen=True, slots=True)
class OraclePolicy:
    """When a price is believed.

    A feed may differ from the median of all opinions by its deviation plus ``disagreement_bps``. Opinions older than
    ``opinion_max_age_s`` are ignored. A pool's mean price over ``twap_window_s`` counts where a trade of at least
    ``twap_min_depth_usd`` is needed to move it by one per cent. The keeper's clock and the block may be
    ``max_head_age_s`` apart; None does not compare them. An asset is bought only where ``min_opinions`` independent
    sources have a usable price of it. ``default_feed`` holds for tokens that ``feeds`` does not
    name."""

    feeds: tuple[FeedPolicy, ...]
    default_feed: FeedPolicy
    disagreement_bps: int
    opinion_max_age_s: int
    twap_window_s: int
    twap_min_depth_usd: float
    max_head_age_s: int | None
    min_opinions: int

    def feed(self, symbol: str) -> FeedPolicy:
        """The token's entry of ``feeds``, else ``default_feed``."""
        return next((feed for feed in self.feeds if feed.symbol == symbol), self.default_feed)


@dataclass(frozen=True, slots=True)
class DrillPolicy:
    """``min_fall`` is the joint fall of the assets that the vault must survive if it is to take more risk, a fraction.
    ``gas_price_wei`` is the price of gas during the fall."""

    min_fall: float
    gas_price_wei: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole strategy."""

    assets: tuple[AssetPolicy, ...]
    estimate: EstimatePolicy
    size: SizePolicy
    decision: DecisionPolicy
    plan: PlanPolicy
    daily: DailyPolicy
    oracle: OraclePolicy
    line: LinePolicy
    drill: DrillPolicy

    def of(self, symbols: Collection[str]) -> Policy:
        """The policy for these assets only. Budgets are scaled to sum to 1, first within a class; groups and factors
        lose the other assets."""
        remaining = tuple(
            _with_budget_of_class(asset, self.assets, self.size.classes, symbols=symbols)
            for asset in self.assets
            if asset.symbol in symbols
        )
        total = math.fsum(asset.budget for asset in remaining)
        groups = (
            replace(group, symbols=tuple(symbol for symbol in group.symbols if symbol in symbols))
            for group in self.size.groups
        )
        return replace(
            self,
            assets=tuple(replace(asset, budget=asset.budget / total) for asset in remaining),
            size=replace(
                self.size,
                groups=tuple(group for group in groups if group.symbols),
                factors=tuple(
                    factor for whole in self.size.factors if (factor := whole.of(symbols)) is not None
                ),
            ),
        )

    @property
    def unnamed(self) -> tuple[str, ...]:
        """What the vault holds and the settings do not name."""
        return tuple(asset.symbol for asset in self.assets if asset.budget == 0.0)

    def covering(self, symbols: Sequence[str]) -> Policy:
        """The policy with an asset of budget 0 for each symbol that it does not name."""
        named = {asset.symbol for asset in self.assets}
        others = tuple(
            AssetPolicy(
                symbol,
                budget=0.0,
                max_weight=0.0,
                implied_underlying=None,
                implied_weight=max(asset.implied_weight for asset in self.assets),
                max_share=1.0,
                trade_cost_bps=None,
            )
            for symbol in symbols
            if symbol not in named
        )
        return replace(self, assets=(*self.assets, *others)) if others else self

    def asset(self, symbol: str) -> AssetPolicy:
        return next(asset for asset in self.assets if asset.symbol == symbol)


def _with_budget_of_class(
    asset: AssetPolicy,
    assets: Sequence[AssetPolicy],
    classes: Sequence[AssetClass],
    *,
    symbols: Collection[str],
) -> AssetPolicy:
    """The asset with its share of what its class has, among those of ``symbols``."""
    own = next((each for each in classes if asset.symbol in each.symbols), None)
    if own is None:
        return asset
    of_class = [each for each in assets if each.symbol in own.symbols]
    present = math.fsum(each.budget for each in of_class if each.symbol in symbols)
    return replace(asset, budget=asset.budget * math.fsum(each.budget for each in of_class) / present)

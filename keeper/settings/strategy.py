"""The strategy's tables, one for each of keeper.toml: type, range, default and meaning of every setting.

Plain models, so that a setting has one way in. The defaults are the shipped strategy.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
PositiveFraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
HealthFactor = Annotated[float, Field(gt=1, le=10, allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=1)]
HalfLife = Annotated[float, Field(gt=0, le=365)]
Weight = Annotated[float, Field(ge=-2, le=2)]
Bps = Annotated[int, Field(ge=0, le=10_000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AssetTable(_Table):
    """One risk asset."""

    symbol: str = Field(min_length=1, description="symbol of the token, as the token itself reports it")
    budget: PositiveFraction = Field(description="share of the portfolio's risk; all budgets sum to 1")
    max_weight: Annotated[float, Field(gt=0, le=10)] = Field(
        default=1.5, description="largest value / NAV; the vault's own limit tightens it"
    )
    implied_underlying: Literal["BTC", "ETH"] | None = Field(
        default=None,
        description="option market whose implied volatility it reads; without one it borrows a ratio",
    )
    implied_weight: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.25, description="share of implied variance in the blend"
    )
    max_share: PositiveFraction = Field(
        default=1.0,
        description="largest share of the value of all risk assets; what it cuts off goes to the others",
    )
    trade_cost_bps: Bps | None = Field(
        default=None,
        description="cost of trading it assumed before it is quoted, bps; without one decision.trade_cost_bps",
    )


class EstimateTable(_Table):
    """From price rounds to a covariance."""

    bar_seconds: Literal[3600, 14400, 86400] = Field(
        default=3600, description="grid on which rounds are sampled, seconds"
    )
    history_s: Seconds = Field(default=120 * 86400, description="how far back rounds are read, seconds")
    volatility: Literal["ewma", "ewma_mix", "har"] = Field(
        default="ewma_mix",
        description="estimator of historical volatility: EWMA, the mean of several, or log-HAR",
    )
    correlation: Literal["ewma", "ewma_mix", "iterated"] = Field(
        default="ewma_mix",
        description="estimator of correlations; iterated: EWMA of returns in units of their own volatility",
    )
    mix_half_lives_days: Annotated[tuple[HalfLife, ...], Field(min_length=1, max_length=8)] = Field(
        default=(1.0, 5.0, 42.0), description="half-lives that ewma_mix weighs equally, days"
    )
    volatility_half_life_days: HalfLife = Field(
        default=5.0, description="half-life of volatilities under ewma, days"
    )
    correlation_half_life_days: HalfLife = Field(
        default=21.0, description="half-life of correlations under ewma and iterated, days"
    )
    har_weights: Annotated[tuple[Weight, ...], Field(min_length=4, max_length=4)] = Field(
        default=(0.25, 0.28, 0.21, 0.26),
        description="har: exponents of the variance of the last day, week, month and the whole history",
    )
    har_scale: Annotated[float, Field(gt=0, le=5)] = Field(
        default=1.25, description="har: factor on the variance"
    )
    shrink: bool = Field(
        default=False, description="shrink correlations towards their mean (Ledoit-Wolf 2004)"
    )
    min_bars: Annotated[int, Field(ge=2)] = Field(
        default=504, description="fewest bars an asset needs to be estimated"
    )
    max_gap_s: Seconds = Field(
        default=43200, description="longest gap over which a last price is carried, seconds"
    )
    volatility_floor: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05, description="lowest annualised volatility an asset is given"
    )
    implied_blend: Literal["variance", "log"] = Field(
        default="variance",
        description="whether implied and historical volatility are averaged as variances or in logs",
    )
    implied_max_age_s: Seconds = Field(
        default=10800, description="older implied volatility is stale, seconds"
    )
    implied_decay_s: Seconds = Field(
        default=86400, description="a stale one loses its weight over this time, seconds"
    )
    implied_ratio_min: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="lowest plausible implied / historical volatility; below it only raises the blend",
    )
    implied_ratio_max: Annotated[float, Field(ge=1, le=20)] = Field(
        default=3.0,
        description="highest plausible implied / historical volatility; above it only raises the blend",
    )

    @model_validator(mode="after")
    def _enough_history(self) -> EstimateTable:
        if self.history_s < self.min_bars * self.bar_seconds:
            raise ValueError(
                f"history_s {self.history_s} is shorter than min_bars {self.min_bars} of {self.bar_seconds} s"
            )
        return self


class ScenarioTable(_Table):
    """A named joint loss of the collateral."""

    name: str = Field(min_length=1, description="what the screen calls it")
    loss: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="fraction of the collateral's value lost at once"
    )


class GroupTable(_Table):
    """Assets with a common cap."""

    name: str = Field(min_length=1, description="what the screen calls the group")
    symbols: tuple[str, ...] = Field(min_length=1, description="assets of the group; groups may overlap")
    max_share: PositiveFraction = Field(
        description="largest share of the value of all risk assets that the group may have"
    )


class SizeTable(_Table):
    """From a risk model to weights and leverage."""

    allocation: Literal[
        "risk_parity", "inverse_volatility", "equal_weight", "minimum_variance", "hierarchical_risk_parity"
    ] = Field(
        default="risk_parity",
        description="how capital is spread over the assets; only `risk_parity` heeds the budgets",
    )
    target_volatility: Annotated[float, Field(gt=0, le=3)] = Field(
        default=0.80, description="annualised volatility aimed at, a fraction: 0.80 is 80 %"
    )
    max_leverage: Annotated[float, Field(gt=0, le=10)] = Field(
        default=2.0, description="largest gross value / NAV; the vault's own limit tightens it"
    )
    min_health_factor: HealthFactor = Field(
        default=1.40, description="health factor the target keeps; the vault's own floor tightens it"
    )
    stress_health_factor: Annotated[float, Field(ge=1, le=10)] = Field(
        default=1.05, description="health factor that must be left after the stress loss"
    )
    stress_sigmas: Annotated[float, Field(ge=0, le=30)] = Field(
        default=6.0, description="stress loss in standard deviations over the time to act"
    )
    time_to_act_s: Seconds = Field(
        default=86400, description="longest time until somebody deleverages, seconds"
    )
    scenarios: tuple[ScenarioTable, ...] = Field(
        default=(ScenarioTable(name="12 March 2020, one day", loss=0.50),),
        description="named joint losses of the collateral that must be survived",
    )
    max_borrow_rate: Annotated[float, Field(gt=0, le=5)] = Field(
        default=0.25, description="highest borrow rate after our own borrowing, a fraction a year"
    )
    max_utilisation: PositiveFraction = Field(
        default=0.92, description="highest utilisation of the debt reserve after our own borrowing"
    )
    market_share: PositiveFraction = Field(
        default=0.10, description="largest part of a reserve's free liquidity or cap that we take"
    )
    idle_buffer: Fraction = Field(default=0.01, description="part of NAV kept as cash")
    groups: tuple[GroupTable, ...] = Field(default=(), description="caps on groups of assets")


class UrgencyTable(_Table):
    """What one urgency may cost."""

    max_gas_price_gwei: Annotated[float, Field(gt=0, le=100_000)] = Field(
        description="highest gas price paid, gwei"
    )
    max_slippage_bps: Annotated[int, Field(ge=1, le=2_000)] = Field(
        description="largest loss of a swap against the oracle price, fees included, bps"
    )
    max_trade: Annotated[float, Field(gt=0, le=20)] = Field(
        description="largest sum of absolute weight changes in one cycle, in NAVs"
    )
    cooldown_s: Annotated[int, Field(ge=0)] = Field(
        description="least time since the last rebalance, seconds"
    )
    recentring: PositiveFraction = Field(description="part of the way to the target that one rebalance goes")


class UrgenciesTable(_Table):
    """The urgency table: the more pressing, the more it may cost."""

    routine: UrgencyTable = UrgencyTable(
        max_gas_price_gwei=40, max_slippage_bps=50, max_trade=4.0, cooldown_s=3600, recentring=1.0
    )
    out_of_band: UrgencyTable = UrgencyTable(
        max_gas_price_gwei=120, max_slippage_bps=75, max_trade=4.0, cooldown_s=1800, recentring=1.0
    )
    emergency: UrgencyTable = UrgencyTable(
        max_gas_price_gwei=500, max_slippage_bps=300, max_trade=4.0, cooldown_s=0, recentring=1.0
    )

    @model_validator(mode="after")
    def _pressing_may_cost_more(self) -> UrgenciesTable:
        rows = (self.routine, self.out_of_band, self.emergency)
        for calmer, pressing in pairwise(rows):
            if (
                pressing.max_gas_price_gwei < calmer.max_gas_price_gwei
                or pressing.max_slippage_bps < calmer.max_slippage_bps
                or pressing.cooldown_s > calmer.cooldown_s
            ):
                raise ValueError(
                    "gas price and slippage may not fall, and the cool-down may not grow, "
                    "from routine to out_of_band to emergency"
                )
        return self


class DecisionTable(_Table):
    """When to trade, and how much."""

    triggers: Annotated[
        tuple[Literal["risk_share", "tracking_error", "volatility", "leverage", "age"], ...],
        Field(min_length=1),
    ] = Field(
        default=("tracking_error", "risk_share", "age"),
        description="reasons to trade that are looked at, beside the health factor's, which always are",
    )
    rebalance_to: Literal["target", "boundary", "ellipsoid"] = Field(
        default="ellipsoid",
        description="where a planned trade aims: at the target, at the point where more trading costs more than it is "
        "worth, or so near that part of the tracking error is left",
    )
    risk_share_band: PositiveFraction = Field(
        default=0.08,
        description="trade when an asset's share of risk is off the target's by more (0.08: 8 points)",
    )
    out_of_band: PositiveFraction = Field(
        default=0.24, description="off by more than this is OUT_OF_BAND instead of ROUTINE"
    )
    volatility_band: PositiveFraction = Field(
        default=0.15, description="trade when volatility is off its target by more than this part of it"
    )
    leverage_band: PositiveFraction = Field(
        default=0.15, description="trade when leverage is off its target by more than this part of it"
    )
    tracking_error_band: PositiveFraction = Field(
        default=0.08,
        description="trade when the yearly tracking error against the target is more (0.08: 8 % a year)",
    )
    tracking_error_left: Fraction = Field(
        default=0.5,
        description="part of its band, or of itself where that is less, at which ellipsoid leaves the tracking error",
    )
    learn_costs: bool = Field(
        default=True, description="draw trade_cost_bps of each asset towards what its trades did cost"
    )
    pool_costs: bool = Field(
        default=True,
        description="expect what the depth of an asset's pools says for the size of its trade, and trade_cost_bps only "
        "where none is known",
    )
    alert_health_factor: HealthFactor = Field(default=1.30, description="below it the urgency is OUT_OF_BAND")
    act_health_factor: HealthFactor = Field(default=1.20, description="below it: RIPCORD")
    safe_health_factor: HealthFactor = Field(default=1.45, description="health factor a RIPCORD restores")
    max_age_s: Seconds = Field(
        default=14 * 86400, description="trade when the last rebalance is older, seconds"
    )
    patience_s: Seconds = Field(
        default=6 * 3600,
        description="when the last rebalance is older than max_age_s by more than this, routine pays the gas price "
        "of out_of_band, seconds",
    )
    min_trade_usd: Annotated[float, Field(ge=0)] = Field(
        default=100.0,
        description="no smaller trade is made, except out of band where it is worth more than it costs, USD",
    )
    risk_aversion: Annotated[float, Field(gt=0, le=100)] = Field(
        default=4.0,
        description="risk aversion: what a unit of variance costs a year, in the benefit of a trade",
    )
    horizon_s: Seconds = Field(
        default=30 * 86400,
        description="time over which the benefit of a trade is counted, and of implied volatility, seconds",
    )
    trade_cost_bps: Bps = Field(
        default=40, description="cost of a trade assumed before it is quoted, bps of its value"
    )
    rebalance_gas: Annotated[int, Field(ge=21_000)] = Field(
        default=2_500_000, description="gas of a rebalance assumed before it is simulated"
    )
    gas_reserve_eth: Annotated[float, Field(ge=0)] = Field(
        default=1.0,
        description="native coin the keeper's account keeps for a deleveraging; below it no levering",
    )
    max_oracle_gap_bps: Annotated[int, Field(ge=1, le=2_000)] = Field(
        default=150, description="largest gap between the vault's feed and the lending market's oracle, bps"
    )
    max_redemption_wait_s: Seconds = Field(
        default=86_400,
        description="when a request in the redemption queue waits longer, room for it is made as OUT_OF_BAND, whatever "
        "the trade is worth, seconds",
    )
    urgency: UrgenciesTable = UrgenciesTable()

    @model_validator(mode="after")
    def _ordered(self) -> DecisionTable:
        if len(set(self.triggers)) < len(self.triggers):
            raise ValueError(f"triggers: one is listed twice in {', '.join(self.triggers)}")
        if self.out_of_band < self.risk_share_band:
            raise ValueError(
                f"out_of_band {self.out_of_band} is below risk_share_band {self.risk_share_band}"
            )
        if not self.act_health_factor < self.alert_health_factor < self.safe_health_factor:
            raise ValueError(
                "act_health_factor, alert_health_factor and safe_health_factor must rise in this order: "
                f"{self.act_health_factor}, {self.alert_health_factor}, {self.safe_health_factor}"
            )
        return self


class PlanTable(_Table):
    """How a plan is built, and what is accepted of its simulation."""

    deadline_s: Annotated[int, Field(ge=12, le=86400)] = Field(
        default=600, description="a transaction is void this long after its block, seconds"
    )
    dust_usd: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="smaller steps are left out, USD"
    )
    gas_usd_price_symbol: str = Field(default="WETH", description="token whose price values gas")
    gas_limit_margin: Annotated[float, Field(ge=1, le=3)] = Field(
        default=1.25, description="gas limit as a multiple of the simulated gas"
    )
    nav_tolerance_bps: Bps = Field(
        default=20, description="largest gap between expected and simulated NAV, bps of NAV"
    )
    leverage_tolerance: PositiveFraction = Field(
        default=0.02, description="largest gap between expected and simulated leverage"
    )
    weight_tolerance: PositiveFraction = Field(
        default=0.02, description="largest gap between expected and simulated weight of an asset"
    )
    public_tolerance_bps: Bps = Field(
        default=150,
        description="an emergency's sale, which the public sees, returns at least what was quoted less this, bps",
    )


class SendTable(_Table):
    """How a transaction is seen through."""

    confirmations: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1,
        description="blocks waited for, that of the receipt counted; finality is followed by later cycles",
    )
    finality_blocks: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="depth at which a block counts as final; without one the node's `finalized` decides",
    )
    bump_after_s: Seconds = Field(
        default=45, description="a transaction that waits longer is offered a higher price, seconds"
    )
    give_up_after_s: Seconds = Field(
        default=600,
        description="after this the outcome counts as unknown, and later cycles follow it, seconds",
    )
    private_patience_s: Seconds = Field(
        default=180, description="a relay that took longer has its nonce used up in public, seconds"
    )

    @model_validator(mode="after")
    def _ordered(self) -> SendTable:
        if max(self.bump_after_s, self.private_patience_s) > self.give_up_after_s:
            raise ValueError(
                f"bump_after_s {self.bump_after_s} and private_patience_s {self.private_patience_s} "
                f"may not exceed give_up_after_s {self.give_up_after_s}"
            )
        return self


class DailyTable(_Table):
    """What the keeper may use up in 24 hours, beside the vault's own budgets."""

    max_loss: PositiveFraction = Field(
        default=0.03, description="part of NAV that trades may lose; more pauses the keeper"
    )
    max_turnover: Annotated[float, Field(gt=0, le=100)] = Field(
        default=6.0, description="value that may be sold, in NAVs; more waits until the time has passed"
    )
    max_gas_eth: Annotated[float, Field(gt=0, le=1_000)] = Field(
        default=1.0, description="native coin that may be paid for gas; more waits until the time has passed"
    )
    max_failures: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=3, description="calls mined and reverted that pause the keeper"
    )


class FeedTable(_Table):
    """What is expected of one token's price feed; of tokens without an entry the chain's address book says it."""

    symbol: str = Field(min_length=1, description="symbol of the token; the debt asset's too")
    heartbeat_s: Seconds | None = Field(
        default=None,
        description="the feed answers at least this often, seconds; without one the vault's largest age alone counts",
    )
    grace_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=300, description="how late a heartbeat may be, seconds"
    )
    deviation_bps: Bps | None = Field(
        default=None, description="the feed answers anew when the price moved by this, bps; unknown: 50"
    )
    max_jump: Annotated[float, Field(gt=0, le=5)] = Field(
        default=0.15,
        description="largest move since the last accepted price believed within an hour without a second source, as a "
        "fraction; grows with the square root of the time",
    )
    description: str | None = Field(
        default=None, description="what the feed must call itself, as in `ETH / USD`; compared at start"
    )
    reference: str | None = Field(
        default=None,
        description="what exchanges call it; default: the symbol, WETH as ETH, WBTC and cbBTC as BTC; empty: nothing",
    )


class OracleTable(_Table):
    """When a price is believed."""

    feeds: tuple[FeedTable, ...] = Field(default=(), description="what is expected of each feed")
    venues: tuple[Literal["coinbase", "kraken", "binance", "deribit"], ...] = Field(
        default=("coinbase", "kraken", "binance", "deribit"),
        description="exchanges that are asked for a second opinion; none of them is needed",
    )
    disagreement_bps: Annotated[int, Field(ge=10, le=5_000)] = Field(
        default=150,
        description="a feed further from the median of all sources than its deviation and this only lowers risk, bps",
    )
    opinion_max_age_s: Seconds = Field(
        default=300, description="an older opinion counts for nothing, seconds"
    )
    twap_window_s: Annotated[int, Field(ge=60, le=86_400)] = Field(
        default=1_800, description="time over which a Uniswap pool's mean price is taken, seconds"
    )
    twap_min_depth_usd: Annotated[float, Field(ge=0)] = Field(
        default=50_000.0,
        description="a pool's mean price counts when a trade of at least this moves it by one per cent, USD",
    )
    max_head_age_s: Annotated[int, Field(ge=15, le=86_400)] | None = Field(
        default=None,
        description="newest block and this machine's clock may be so far apart, seconds; default: 180, on chain id "
        "31337 not compared",
    )

    @model_validator(mode="after")
    def _once_each(self) -> OracleTable:
        symbols = [feed.symbol for feed in self.feeds]
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"feeds: a symbol is listed twice in {', '.join(symbols)}")
        if len(set(self.venues)) < len(self.venues):
            raise ValueError(f"venues: one is listed twice in {', '.join(self.venues)}")
        return self

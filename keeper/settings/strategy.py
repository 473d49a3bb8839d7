"""The only declaration of the strategy's numbers: type, range, default and meaning, one model per table.

``make settings`` writes keeper.toml and the tables of docs/settings.md from here. A docstring becomes the heading of
its table, a ``title`` begins a group of settings, ``examples`` fill what has no default.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from keeper.domain.chains import DEVELOPMENT_CHAIN_ID

MAX_HEAD_AGE_S = 180
DEVIATION_BPS = 50

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
    """What to hold."""

    symbol: str = Field(min_length=1, description="symbol of the token, as the token itself reports it")
    budget: PositiveFraction = Field(description="share of the portfolio's risk; all budgets sum to 1")
    max_weight: Annotated[float, Field(gt=0, le=10)] = Field(
        default=1.5, description="highest value / NAV; the vault's own limit applies where it is lower"
    )
    max_share: PositiveFraction = Field(
        default=1.0,
        description="highest share of the value of all risk assets; the excess goes to the other assets",
    )
    implied_underlying: Literal["BTC", "ETH"] | None = Field(
        default=None,
        description="option market of its implied volatility; an asset without one borrows the ratio of the most "
        "correlated asset that has one",
    )
    implied_weight: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.25, description="weight of implied volatility in the blend with historical volatility"
    )
    trade_cost_bps: Bps | None = Field(
        default=None,
        description="assumed cost of a trade before it is quoted; default: decision.trade_cost_bps",
        examples=[60],
    )


class EstimateTable(_Table):
    """How risky the assets are: from prices to a covariance."""

    bar_seconds: Literal[3600, 14400, 86400] = Field(
        default=3600, title="Price bars", description="length of a bar"
    )
    history_s: Seconds = Field(default=120 * 86400, description="how far back prices are read")
    min_bars: Annotated[int, Field(ge=2)] = Field(
        default=504, description="lowest number of bars from which an asset is estimated"
    )
    max_gap_s: Seconds = Field(default=43200, description="longest gap that the last price fills")
    volatility: Literal["ewma", "ewma_mix", "har"] = Field(
        default="ewma_mix",
        title="Historical volatility and correlation: docs/estimators.md",
        description="estimator of volatility: one EWMA, the mean of several EWMAs, or log-HAR",
    )
    correlation: Literal["ewma", "ewma_mix", "iterated"] = Field(
        default="ewma_mix",
        description="estimator of correlations; iterated is an EWMA of returns divided by their own volatility",
    )
    mix_half_lives_days: Annotated[tuple[HalfLife, ...], Field(min_length=1, max_length=8)] = Field(
        default=(1.0, 5.0, 42.0), description="half-lives of ewma_mix, equally weighted"
    )
    volatility_half_life_days: HalfLife = Field(default=5.0, description="half-life of volatility under ewma")
    correlation_half_life_days: HalfLife = Field(
        default=21.0, description="half-life of correlation under ewma and iterated"
    )
    har_weights: Annotated[tuple[Weight, ...], Field(min_length=4, max_length=4)] = Field(
        default=(0.25, 0.28, 0.21, 0.26),
        description="exponents under har: of the variance of the last day, week, month and the whole history",
    )
    har_scale: Annotated[float, Field(gt=0, le=5)] = Field(
        default=1.25, description="factor on the variance under har"
    )
    shrink: bool = Field(
        default=False, description="whether correlations are shrunk towards their mean (Ledoit-Wolf 2004)"
    )
    volatility_floor: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05, description="lowest annualised volatility of an asset"
    )
    implied_blend: Literal["variance", "log"] = Field(
        default="variance",
        title="Implied volatility",
        description="whether implied and historical volatility are averaged as variances or as logarithms",
    )
    implied_max_age_s: Seconds = Field(
        default=10800, description="age beyond which implied volatility is stale"
    )
    implied_decay_s: Seconds = Field(
        default=86400, description="time over which stale implied volatility loses its weight"
    )
    implied_ratio_min: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="lowest plausible implied / historical volatility; a lower one can only raise the estimate",
    )
    implied_ratio_max: Annotated[float, Field(ge=1, le=20)] = Field(
        default=3.0,
        description="highest plausible implied / historical volatility; a higher one can only raise the estimate",
    )

    @model_validator(mode="after")
    def _enough_history(self) -> EstimateTable:
        if self.history_s < self.min_bars * self.bar_seconds:
            raise ValueError(
                f"history_s {self.history_s} is shorter than min_bars {self.min_bars} of {self.bar_seconds} s"
            )
        return self


class ScenarioTable(_Table):
    """Named joint losses of the collateral that the vault must survive. Repeat the table for more."""

    name: str = Field(min_length=1, description="name on the screen")
    loss: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="fraction of the collateral's value lost at once"
    )


class GroupTable(_Table):
    """Groups of assets with a common cap; groups may overlap."""

    name: str = Field(min_length=1, description="name on the screen")
    symbols: tuple[str, ...] = Field(min_length=1, description="assets of the group")
    max_share: PositiveFraction = Field(
        description="highest share of the group in the value of all risk assets"
    )


class SizeTable(_Table):
    """How much to hold: from a risk model to weights and leverage."""

    allocation: Literal[
        "risk_parity", "inverse_volatility", "equal_weight", "minimum_variance", "hierarchical_risk_parity"
    ] = Field(
        default="risk_parity",
        description="how capital is divided among the assets; only risk_parity uses the budgets",
    )
    target_volatility: Annotated[float, Field(gt=0, le=3)] = Field(
        default=0.80, description="annualised volatility of the target portfolio; 0.80 is 80 %"
    )
    max_leverage: Annotated[float, Field(gt=0, le=10)] = Field(
        default=2.0, description="highest gross value / NAV; the vault's own limit applies where it is lower"
    )
    idle_buffer: Fraction = Field(default=0.01, description="part of NAV kept as cash")
    min_health_factor: HealthFactor = Field(
        default=1.40,
        title="Health factor, also after the stress loss",
        description="lowest health factor of the target; the vault's own floor applies where it is higher",
    )
    stress_health_factor: Annotated[float, Field(ge=1, le=10)] = Field(
        default=1.05,
        description="health factor left after the stress loss: the worst of stress_sigmas, history and scenarios",
    )
    stress_sigmas: Annotated[float, Field(ge=0, le=30)] = Field(
        default=6.0, description="stress loss in standard deviations over time_to_act_s"
    )
    time_to_act_s: Seconds = Field(
        default=86400,
        description="longest time until somebody deleverages; period of the history's worst loss",
    )
    max_borrow_rate: Annotated[float, Field(gt=0, le=5)] = Field(
        default=0.25,
        title="Lending market",
        description="highest borrow rate after our own borrowing, a fraction per year",
    )
    max_utilisation: PositiveFraction = Field(
        default=0.92, description="highest utilisation of the debt reserve after our own borrowing"
    )
    market_share: PositiveFraction = Field(
        default=0.10, description="largest part of a reserve's free liquidity or cap that we take"
    )
    scenarios: tuple[ScenarioTable, ...] = Field(
        default=(ScenarioTable(name="12 March 2020, one day", loss=0.50),),
        description="named joint losses of the collateral that the vault must survive",
    )
    groups: tuple[GroupTable, ...] = Field(
        default=(),
        description="groups of assets with a common cap",
        examples=[GroupTable(name="defi", symbols=("LINK", "UNI"), max_share=0.5)],
    )


class UrgencyTable(_Table):
    """What one urgency may cost. A more urgent one may cost more."""

    max_gas_price_gwei: Annotated[float, Field(gt=0, le=100_000)] = Field(description="highest gas price")
    max_slippage_bps: Annotated[int, Field(ge=1, le=2_000)] = Field(
        description="highest loss of a swap against the oracle price, fees included"
    )
    max_trade: Annotated[float, Field(gt=0, le=20)] = Field(
        description="highest sum of absolute weight changes in one cycle, in NAVs"
    )
    cooldown_s: Annotated[int, Field(ge=0)] = Field(description="shortest time since the last rebalance")
    recentring: PositiveFraction = Field(
        description="part of the distance to the target that one rebalance covers"
    )


class UrgenciesTable(_Table):
    """The rows of the urgency table."""

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
    def _more_urgent_may_cost_more(self) -> UrgenciesTable:
        for calmer, pressing in pairwise((self.routine, self.out_of_band, self.emergency)):
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
    """When to trade, and how far: docs/trading.md."""

    triggers: Annotated[
        tuple[Literal["risk_share", "tracking_error", "volatility", "leverage", "age"], ...],
        Field(min_length=1),
    ] = Field(
        default=("tracking_error", "risk_share", "age"),
        title="Reasons to trade",
        description="reasons to trade, besides the health factor's, which are always checked",
    )
    risk_share_band: PositiveFraction = Field(
        default=0.08,
        description="largest distance of an asset's share of risk from its target (0.08: 8 points)",
    )
    out_of_band: PositiveFraction = Field(
        default=0.24,
        description="distance beyond which that is OUT_OF_BAND, not ROUTINE; other bands widen by the same factor",
    )
    tracking_error_band: PositiveFraction = Field(
        default=0.08, description="highest tracking error against the target, a year (0.08: 8 %)"
    )
    volatility_band: PositiveFraction = Field(
        default=0.15, description="largest distance of volatility from its target, as a part of the target"
    )
    leverage_band: PositiveFraction = Field(
        default=0.15, description="largest distance of leverage from its target, as a part of the target"
    )
    max_age_s: Seconds = Field(default=14 * 86400, description="longest time since the last rebalance")
    max_redemption_wait_s: Seconds = Field(
        default=86_400,
        description="longest wait of a queued redemption; after it cash is freed as OUT_OF_BAND at any benefit",
    )
    alert_health_factor: HealthFactor = Field(
        default=1.30, title="Health factor", description="below it a trade is OUT_OF_BAND"
    )
    act_health_factor: HealthFactor = Field(
        default=1.20, description="below it the keeper deleverages at once (RIPCORD)"
    )
    safe_health_factor: HealthFactor = Field(
        default=1.45, description="health factor that a RIPCORD restores"
    )
    rebalance_to: Literal["target", "boundary", "ellipsoid"] = Field(
        default="ellipsoid",
        title="How far to trade",
        description="where a planned trade stops: at the target, where the next part costs more than it is worth, or "
        "at tracking_error_left",
    )
    tracking_error_left: Fraction = Field(
        default=0.5,
        description="part of tracking_error_band (or of the tracking error, where lower) that ellipsoid leaves",
    )
    min_trade_usd: Annotated[float, Field(ge=0)] = Field(
        default=100.0,
        description="smallest trade; out of band a smaller one is made if it is worth more than it costs",
    )
    risk_aversion: Annotated[float, Field(gt=0, le=100)] = Field(
        default=4.0,
        title="Benefit and cost of a trade",
        description="what one unit of variance costs per year, in the benefit of a trade",
    )
    horizon_s: Seconds = Field(
        default=30 * 86400,
        description="time over which the benefit of a trade counts; also the horizon of implied volatility",
    )
    trade_cost_bps: Bps = Field(
        default=40, description="assumed cost of a trade before it is quoted, of its value"
    )
    learn_costs: bool = Field(
        default=True, description="whether the costs of executed trades correct trade_cost_bps, by asset"
    )
    pool_costs: bool = Field(
        default=True,
        description="whether the depth of the pools, where it is known, takes the place of trade_cost_bps",
    )
    rebalance_gas: Annotated[int, Field(ge=21_000)] = Field(
        default=2_500_000, description="assumed gas of a rebalance before it is simulated"
    )
    patience_s: Seconds = Field(
        default=6 * 3600,
        description="time beyond max_age_s after which a ROUTINE trade may pay the gas price of out_of_band",
    )
    gas_reserve_eth: Annotated[float, Field(ge=0)] = Field(
        default=1.0,
        title="Safety",
        description="native coin that the keeper keeps for a deleveraging; below it leverage is not raised",
    )
    max_oracle_gap_bps: Annotated[int, Field(ge=1, le=2_000)] = Field(
        default=150, description="largest gap between the vault's price feed and the lending market's oracle"
    )
    urgency: UrgenciesTable = UrgenciesTable()

    @model_validator(mode="after")
    def _ordered(self) -> DecisionTable:
        if len(set(self.triggers)) < len(self.triggers):
            raise ValueError(f"triggers: {_repeated(self.triggers)} is listed twice")
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
    """How a plan is built, and how closely its simulation must agree: docs/planning.md."""

    deadline_s: Annotated[int, Field(ge=12, le=86400)] = Field(
        default=600, description="time after its block at which a transaction becomes void"
    )
    dust_usd: Annotated[float, Field(ge=0)] = Field(default=1.0, description="smaller steps are left out")
    gas_usd_price_symbol: str = Field(default="WETH", description="token whose price values gas")
    gas_limit_margin: Annotated[float, Field(ge=1, le=3)] = Field(
        default=1.25, description="gas limit as a multiple of the simulated gas"
    )
    nav_tolerance_bps: Bps = Field(
        default=20, description="largest difference between expected and simulated NAV, of NAV"
    )
    leverage_tolerance: PositiveFraction = Field(
        default=0.02, description="largest difference between expected and simulated leverage"
    )
    weight_tolerance: PositiveFraction = Field(
        default=0.02, description="largest difference between expected and simulated weight of an asset"
    )
    public_tolerance_bps: Bps = Field(
        default=150,
        description="how much less than quoted a sale may return in an emergency, which is sent publicly",
    )


class SendTable(_Table):
    """How a transaction is followed: docs/sending.md."""

    confirmations: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="blocks to wait for, the receipt's included; later cycles wait for finality"
    )
    finality_blocks: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="depth at which a block counts as final; default: the node's block tag finalized",
        examples=[64],
    )
    bump_after_s: Seconds = Field(default=45, description="waiting time after which the fee is raised")
    give_up_after_s: Seconds = Field(
        default=600,
        description="waiting time after which the outcome is unknown; later cycles follow it",
    )
    private_patience_s: Seconds = Field(
        default=180, description="waiting time for the private relay; after it the nonce is used up in public"
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
    """What 24 hours may use up, besides the vault's own limits."""

    max_loss: PositiveFraction = Field(
        default=0.03, description="part of NAV that trades may lose; a higher loss pauses the keeper"
    )
    max_turnover: Annotated[float, Field(gt=0, le=100)] = Field(
        default=6.0, description="value that may be sold, in NAVs; planned trades wait when it is used up"
    )
    max_gas_eth: Annotated[float, Field(gt=0, le=1_000)] = Field(
        default=1.0, description="native coin that gas may cost; planned trades wait when it is used up"
    )
    max_failures: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=3, description="number of reverted calls that pauses the keeper"
    )


class FeedTable(_Table):
    """A token's price feed, where the chain's address book does not know it or you know it better."""

    symbol: str = Field(min_length=1, description="symbol of the token; the debt token has a feed too")
    heartbeat_s: Seconds | None = Field(
        default=None,
        description="longest time between two answers; default: the address book's, else only the vault's age limit "
        "counts",
        examples=[3600],
    )
    grace_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=300, description="how late a heartbeat may be"
    )
    deviation_bps: Bps | None = Field(
        default=None,
        description=f"price move that makes the feed answer; default: the address book's, else {DEVIATION_BPS}",
        examples=[50],
    )
    max_jump: Annotated[float, Field(gt=0, le=5)] = Field(
        default=0.15,
        description="largest move believed within an hour without a second source, a fraction; it grows with the "
        "square root of time",
    )
    description: str | None = Field(
        default=None,
        description="name that the feed must report; checked at the start",
        examples=["LINK / USD"],
    )
    reference: str | None = Field(
        default=None,
        description='name on exchanges; default: WETH is ETH, WBTC and cbBTC are BTC, else the symbol; "": none',
        examples=["LINK"],
    )


class OracleTable(_Table):
    """When a price is believed: docs/prices.md."""

    venues: tuple[Literal["coinbase", "kraken", "binance", "deribit"], ...] = Field(
        default=("coinbase", "kraken", "binance", "deribit"),
        description="exchanges that are asked for a second opinion; the keeper works without any",
    )
    disagreement_bps: Annotated[int, Field(ge=10, le=5_000)] = Field(
        default=150,
        description="distance from the median of all sources, beyond the feed's deviation, that only lets risk fall",
    )
    opinion_max_age_s: Seconds = Field(default=300, description="oldest opinion that counts")
    twap_window_s: Annotated[int, Field(ge=60, le=86_400)] = Field(
        default=1_800, description="time over which a Uniswap pool's mean price is taken"
    )
    twap_min_depth_usd: Annotated[float, Field(ge=0)] = Field(
        default=50_000.0,
        description="smallest trade that moves a pool by one per cent if its price is to count",
    )
    max_head_age_s: Annotated[int, Field(ge=15, le=86_400)] | None = Field(
        default=None,
        description="largest gap between the newest block and this machine's clock; "
        f"default: {MAX_HEAD_AGE_S}, not checked on chain id {DEVELOPMENT_CHAIN_ID}",
        examples=[MAX_HEAD_AGE_S],
    )
    feeds: tuple[FeedTable, ...] = Field(
        default=(),
        description="what is expected of each feed",
        examples=[
            FeedTable(
                symbol="LINK", heartbeat_s=3600, deviation_bps=50, description="LINK / USD", reference="LINK"
            )
        ],
    )

    @model_validator(mode="after")
    def _once_each(self) -> OracleTable:
        symbols = tuple(feed.symbol for feed in self.feeds)
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"feeds: {_repeated(symbols)} is listed twice")
        if len(set(self.venues)) < len(self.venues):
            raise ValueError(f"venues: {_repeated(self.venues)} is listed twice")
        return self


def _repeated(names: tuple[str, ...]) -> str:
    """The names that occur more than once."""
    return ", ".join(dict.fromkeys(name for name in names if names.count(name) > 1))

"""Declares what to hold and when to trade: type, range, default and meaning, one model per table.

``make settings`` writes keeper.toml and the tables of docs/settings.md from here. The docstring of a model becomes the
heading of its table, that of a field the setting's meaning. A ``title`` begins a group of settings, ``examples`` fill
what has no default.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from keeper.settings.setting_types import (
    Bps,
    Fraction,
    HalfLife,
    HealthFactor,
    Loss,
    PositiveFraction,
    Seconds,
    Table,
    Weight,
    repeated,
)
from keeper.settings.weekly_closure import checked_closure

HIGHEST_RISK_AVERSION = 100.0


class AssetTable(Table):
    """What to hold."""

    symbol: str = Field(min_length=1)
    """symbol of the token, as the token itself reports it"""
    budget: PositiveFraction
    """share of the portfolio's risk; all budgets sum to 1, or to within 0.002 of it, and are scaled"""
    max_weight: Annotated[float, Field(gt=0, le=10)] = 1.1
    """highest value / NAV; the vault's own limit applies where it is lower"""
    max_share: PositiveFraction = 1.0
    """highest share of the value of all risk assets; the excess goes to the other assets"""
    implied_underlying: Literal["BTC", "ETH"] | None = Field(
        default=None,
        description="option market of its implied volatility; an asset without one borrows the ratio of the most "
        "correlated asset that has one",
    )
    implied_weight: Annotated[float, Field(ge=0, le=1)] = 0.25
    """weight of implied volatility in the blend with historical volatility, which it can only raise"""
    trade_cost_bps: Bps | None = Field(default=None, examples=[60])
    """assumed cost of a trade before it is quoted; default: decision.trade_cost_bps"""
    yearly_yield: Annotated[float, Field(ge=-0.5, le=1)] = 0.0
    """what it earns a year besides the supply rate, as a fraction: staking, a vault's rate; counts in carry_worth"""
    volatility_floor: Annotated[float, Field(gt=0, lt=1)] | None = Field(default=None, examples=[0.02])
    """lowest annualised volatility of this asset, such as a yield dollar's; default: estimate.volatility_floor"""
    closed: Annotated[str, AfterValidator(checked_closure)] | None = Field(
        default=None, examples=["Fri 17:00 to Sun 18:00 America/New_York"]
    )
    """when its market is closed every week, by the wall clock of a time zone; default: never"""


class EstimateTable(Table):
    """How risky the assets are: from prices to a covariance."""

    bar_seconds: Literal[3600, 14400, 86400] = Field(default=3600, title="Price bars")
    """length of a bar"""
    history_s: Seconds = 120 * 86400
    """how far back prices are read"""
    min_bars: Annotated[int, Field(ge=2)] = 504
    """lowest number of bars from which an asset is estimated"""
    max_gap_s: Seconds = 43200
    """longest gap that the last price fills"""
    volatility: Literal["ewma", "ewma_mix", "har", "har_mix"] = Field(
        default="ewma_mix", title="Historical volatility and correlation: docs/estimators.md"
    )
    """estimator of volatility: one EWMA, the mean of several EWMAs, log-HAR, or the mean of the last two"""
    correlation: Literal["ewma", "ewma_mix", "iterated"] = "ewma_mix"
    """estimator of correlations; iterated is an EWMA of returns divided by their own volatility"""
    mix_half_lives_days: Annotated[tuple[HalfLife, ...], Field(min_length=1, max_length=8)] = (5.0, 21.0)
    """half-lives of ewma_mix, equally weighted"""
    volatility_half_life_days: HalfLife = 5.0
    """half-life of volatility under ewma"""
    correlation_half_life_days: HalfLife = 21.0
    """half-life of correlation under ewma and iterated"""
    har_weights: Annotated[tuple[Weight, ...], Field(min_length=4, max_length=4)] = (0.25, 0.28, 0.21, 0.26)
    """exponents under har: of the variance of the last day, week, month and the whole history"""
    har_scale: Annotated[float, Field(gt=0, le=5)] = 1.25
    """factor on the variance under har"""
    shrink: bool = False
    """whether correlations are shrunk towards their mean (Ledoit-Wolf 2004)"""
    volatility_floor: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """lowest annualised volatility of an asset"""
    implied_blend: Literal["variance", "log"] = Field(default="variance", title="Implied volatility")
    """whether implied and historical volatility are averaged as variances or as logarithms"""
    implied_max_age_s: Seconds = 10800
    """age beyond which implied volatility is stale"""
    implied_decay_s: Seconds = 86400
    """time over which stale implied volatility loses its weight"""
    implied_ratio_max: Annotated[float, Field(ge=1, le=20)] = 3.0
    """highest plausible implied / historical volatility; a higher one counts as this one"""

    implied_max_fall: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1,
        description="largest believed fall within an hour, as a fraction; it grows with the square root of the time",
    )
    min_history: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.9,
        title="Missing information: docs/information.md",
        description="part of history_s, or of the time since a younger feed began, that must have prices before risk "
        "may rise",
    )
    accept_after_s: Seconds = Field(
        default=7 * 86400,
        description="time after which what was lost, such as a hole in the history, is no longer missed",
    )

    @model_validator(mode="after")
    def _enough_history(self) -> EstimateTable:
        if self.history_s < self.min_bars * self.bar_seconds:
            raise ValueError(
                f"history_s {self.history_s} is shorter than min_bars {self.min_bars} of {self.bar_seconds} s"
            )
        return self


class ScenarioTable(Table):
    """Named joint losses of the collateral that the vault must survive. Repeat the table for more."""

    name: str = Field(min_length=1)
    """name on the screen"""
    loss: Loss
    """fraction of its value that every asset loses at once, but those in losses"""
    losses: dict[str, Loss] = Field(default={})
    """losses of single assets, by symbol; an asset that is not named loses loss"""


class GroupTable(Table):
    """Groups of assets with a common cap; groups may overlap."""

    name: str = Field(min_length=1)
    """name on the screen"""
    symbols: tuple[str, ...] = Field(min_length=1)
    """assets of the group"""
    max_share: PositiveFraction
    """highest share of the group in the value of all risk assets"""


class ClassTable(Table):
    """Classes of assets with a common risk budget, which they share in proportion to their own."""

    name: str = Field(min_length=1)
    """name on the screen"""
    symbols: tuple[str, ...] = Field(min_length=1)
    """assets of the class"""
    budget: PositiveFraction
    """share of the portfolio's risk, in place of the budgets of its assets"""
    max_share: PositiveFraction = 1.0
    """highest share of the class in the value of all risk assets"""


class FactorTable(Table):
    """Factors of risk under factor_risk_parity: docs/settings.md."""

    name: str = Field(min_length=1)
    """name on the screen"""
    budget: PositiveFraction
    """share of the risk that the factors explain; all factors sum to 1, or to within 0.002 of it, and are scaled"""
    portfolio: dict[str, Annotated[float, Field(ge=-1000, le=1000)]] = Field(min_length=1)
    """value by asset, in any scale; the factor is what this portfolio returns; a negative value is a short leg"""

    @model_validator(mode="after")
    def _is_held(self) -> FactorTable:
        if 0.0 in self.portfolio.values() or max(self.portfolio.values()) < 0.0:
            raise ValueError(f"portfolio of {self.name}: no value is 0, and one is above it")
        return self


class SizeTable(Table):
    """How much to hold: from a risk model to weights and leverage."""

    allocation: Literal[
        "risk_parity",
        "factor_risk_parity",
        "minimum_torsion",
        "inverse_volatility",
        "equal_weight",
        "minimum_variance",
        "hierarchical_risk_parity",
    ] = "risk_parity"
    """how capital is divided; the first three use budgets, factor_risk_parity those of size.factors"""
    target_volatility: Annotated[float, Field(gt=0, le=3)] = 0.80
    """annualised volatility of the target portfolio; 0.80 is 80 %"""
    max_leverage: Annotated[float, Field(gt=0, le=10)] = 2.0
    """highest gross value / NAV; the vault's own limit applies where it is lower"""
    idle_buffer: Fraction = 0.01
    """part of NAV kept as cash"""
    min_health_factor: HealthFactor = Field(default=1.40, title="Health factor, also after the stress loss")
    """lowest health factor of the target; the vault's own floor applies where it is higher"""
    stress_health_factor: Annotated[float, Field(ge=1, le=10)] = 1.05
    """health factor left after the stress loss: the worst of stress_sigmas, history and scenarios"""
    stress_sigmas: Annotated[float, Field(ge=0, le=30)] = 6.0
    """stress loss in standard deviations over time_to_act_s"""
    time_to_act_s: Seconds = 86400
    """longest time until somebody deleverages; period of the history's worst loss"""
    max_borrow_rate: Annotated[float, Field(gt=0, le=5)] = Field(default=0.25, title="Lending market")
    """highest borrow rate after our own borrowing, a fraction per year"""
    reward_per_risk: Annotated[float, Field(ge=0, le=5)] = Field(
        default=1.2,
        description="assumed yearly return per unit of volatility, for decision.risk_aversion; debt must not cost "
        "more, less what supply yields; 0: nothing is assumed",
    )
    max_utilisation: PositiveFraction = 0.92
    """highest utilisation of the debt reserve after our own borrowing"""
    market_share: PositiveFraction = 0.10
    """largest part of a reserve's free liquidity or cap that we take"""
    max_venue_share: PositiveFraction = 1.0
    """largest part of the collateral in one protocol, where another can take the rest; never a reason to sell"""
    scenarios: tuple[ScenarioTable, ...] = (
        ScenarioTable(name="12 March 2020, one day", loss=0.60, losses={"WBTC": 0.51, "WETH": 0.54}),
    )
    """named joint losses of the collateral that the vault must survive"""
    groups: tuple[GroupTable, ...] = Field(
        default=(), examples=[GroupTable(name="defi", symbols=("LINK", "UNI"), max_share=0.5)]
    )
    """groups of assets with a common cap"""
    classes: tuple[ClassTable, ...] = Field(
        default=(), examples=[ClassTable(name="small", symbols=("LINK", "UNI"), budget=0.5, max_share=0.6)]
    )
    """classes of assets with a common risk budget"""
    factors: tuple[FactorTable, ...] = Field(
        default=(),
        examples=[FactorTable(name="crypto", budget=1.0, portfolio={"WBTC": 0.5, "WETH": 0.5})],
    )
    """factors of risk under factor_risk_parity"""


class UrgencyTable(Table):
    """What one urgency may cost. A more urgent one may cost more."""

    max_gas_price_gwei: Annotated[float, Field(gt=0, le=100_000)]
    """highest gas price at which a trade begins; three replacements may offer up to 42.4 % more"""
    max_slippage_bps: Annotated[int, Field(ge=1, le=2_000)]
    """highest loss of a swap against the oracle price, fees included"""
    max_trade: Annotated[float, Field(gt=0, le=20)]
    """highest sum of absolute weight changes in one cycle, in NAVs"""
    cooldown_s: Annotated[int, Field(ge=0)]
    """shortest time since the last rebalance"""
    recentring: PositiveFraction
    """part of the distance to the target that one rebalance covers"""


class UrgenciesTable(Table):
    """The rows of the urgency table."""

    routine: UrgencyTable = UrgencyTable(
        max_gas_price_gwei=40, max_slippage_bps=50, max_trade=4.0, cooldown_s=3600, recentring=1.0
    )
    out_of_band: UrgencyTable = UrgencyTable(
        max_gas_price_gwei=120, max_slippage_bps=75, max_trade=4.0, cooldown_s=1800, recentring=1.0
    )
    emergency: UrgencyTable = UrgencyTable(
        max_gas_price_gwei=500, max_slippage_bps=100, max_trade=4.0, cooldown_s=0, recentring=1.0
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


class DecisionTable(Table):
    """When to trade, and how far: docs/trading.md."""

    triggers: Annotated[
        tuple[Literal["risk_share", "tracking_error", "volatility", "leverage", "health_bound", "age"], ...],
        Field(min_length=1),
    ] = Field(default=("tracking_error", "risk_share", "health_bound", "age"), title="Reasons to trade")
    """reasons to trade, besides the alert and act levels of the health factor, which are always checked"""
    risk_share_band: PositiveFraction = 0.12
    """largest distance of an asset's share of risk from its target (0.12: 12 points)"""
    out_of_band: PositiveFraction = 0.36
    """distance beyond which that is OUT_OF_BAND, not ROUTINE; other bands widen by the same factor"""
    tracking_error_band: PositiveFraction = 0.12
    """highest tracking error against the target, a year (0.12: 12 %)"""
    volatility_band: PositiveFraction = 0.15
    """largest distance of volatility from its target, as a part of the target"""
    leverage_band: PositiveFraction = 0.15
    """largest distance of leverage from its target, as a part of the target"""
    health_band: PositiveFraction = 0.05
    """part by which the health factor may lie below what the bounds on leverage ask of the held weights"""
    max_age_s: Seconds = 14 * 86400
    """longest time since the last rebalance"""
    routine_every_s: Seconds = 86_400
    """shortest time since the last rebalance of a ROUTINE trade that neither lowers leverage nor serves redeemers"""
    max_redemption_wait_s: Seconds = 86_400
    """longest wait of a requested redemption; after it cash is freed as OUT_OF_BAND at any benefit"""
    alert_health_factor: HealthFactor = Field(default=1.30, title="Health factor")
    """below it a trade is OUT_OF_BAND"""
    act_health_factor: HealthFactor = 1.20
    """below it the keeper deleverages at once (RIPCORD)"""
    safe_health_factor: HealthFactor = 1.45
    """health factor that a RIPCORD restores"""
    rebalance_to: Literal["target", "boundary", "ellipsoid"] = Field(
        default="boundary",
        title="How far to trade",
        description="where a planned trade stops: at the target, where the next part costs more than it is worth, or "
        "at tracking_error_left",
    )
    tracking_error_left: Fraction = 0.5
    """part of tracking_error_band (or of the tracking error, where lower) that ellipsoid leaves"""
    min_trade_usd: Annotated[float, Field(ge=0)] = 100.0
    """smallest trade; out of band a smaller one is made if it is worth more than it costs"""
    risk_aversion: Annotated[float, Field(gt=0, le=HIGHEST_RISK_AVERSION)] | None = Field(
        default=None,
        title="Benefit and cost of a trade",
        description="what one unit of variance costs per year, in the benefit of a trade; default: "
        "size.reward_per_risk / size.target_volatility",
        examples=[1.5],
    )
    horizon_s: Seconds = 30 * 86400
    """longest time over which the benefit of a trade counts; also the horizon of implied volatility"""
    shortest_horizon_s: Seconds = 30 * 86400
    """shortest such time, of a trade that adds risk; in between it is the time since the last rebalance"""
    trade_cost_bps: Bps = 40
    """assumed cost of a trade before it is quoted, of its value"""
    learn_costs: bool = True
    """whether the costs of executed trades correct trade_cost_bps, by asset"""
    pool_costs: bool = True
    """whether the depth of the pools, where it is known, takes the place of trade_cost_bps"""
    rebalance_gas: Annotated[int, Field(ge=21_000)] = 2_500_000
    """assumed gas of a rebalance before it is simulated"""
    patience_s: Seconds = 6 * 3600
    """time beyond max_age_s after which a ROUTINE trade may pay the gas price of out_of_band"""
    carry_horizon_s: Seconds = 30 * 86400
    """time over which the interest counts that is saved where debt and collateral change account"""
    min_saving: Annotated[float, Field(ge=1, le=100)] = 3.0
    """that saving must be this many times what the change costs, so that no small change of rates is followed"""
    gas_reserve_eth: Annotated[float, Field(ge=0)] = Field(default=1.0, title="Safety")
    """native coin that the keeper keeps for a deleveraging; below it leverage is not raised"""
    max_oracle_gap_bps: Annotated[int, Field(ge=1, le=2_000)] = 100
    """largest gap between the vault's price feed and the lending market's oracle"""
    max_vault_gap_bps: Annotated[int, Field(ge=1, le=1_000)] = 50
    """largest gap between the keeper's count of NAV, leverage and health factor and the vault's own"""
    max_unnamed: Fraction = 0.01
    """largest value / NAV of what the vault holds and no [[assets]] names; beyond it only an emergency trades"""
    urgency: UrgenciesTable = UrgenciesTable()

    @model_validator(mode="after")
    def _ordered(self) -> DecisionTable:
        if len(set(self.triggers)) < len(self.triggers):
            raise ValueError(f"triggers: {repeated(self.triggers)} is listed twice")
        if self.out_of_band < self.risk_share_band:
            raise ValueError(
                f"out_of_band {self.out_of_band} is below risk_share_band {self.risk_share_band}"
            )
        if self.shortest_horizon_s > self.horizon_s:
            raise ValueError(
                f"shortest_horizon_s {self.shortest_horizon_s} is above horizon_s {self.horizon_s}"
            )
        if self.routine_every_s > self.max_age_s:
            raise ValueError(
                f"routine_every_s {self.routine_every_s} is above max_age_s {self.max_age_s}: a trade that is due by "
                "age would wait for it"
            )
        if not self.act_health_factor < self.alert_health_factor < self.safe_health_factor:
            raise ValueError(
                "act_health_factor, alert_health_factor and safe_health_factor must rise in this order: "
                f"{self.act_health_factor}, {self.alert_health_factor}, {self.safe_health_factor}"
            )
        return self

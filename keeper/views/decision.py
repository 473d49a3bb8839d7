"""What a cycle concluded: the estimate, the target, the gates, and what other sources say of the prices."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.decision import Decision, Gate
from keeper.domain.model import AssetRisk, Bound, RiskModel, TargetPortfolio
from keeper.domain.prices import Opinion
from keeper.domain.record import Conclusions, DecisionRecord
from keeper.domain.units import BPS
from keeper.oracle.twap import twap_opinions
from keeper.views import formats as unit
from keeper.views.vault import HOLDING, HoldingRow
from keeper.views.view import Field, View, lifted, nested, nested_list


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One risk asset: what is held, how it was estimated, where it should be. ``place`` is its place in the model."""

    holding: HoldingRow
    conclusions: Conclusions
    place: int

    @property
    def risk(self) -> AssetRisk:
        return self.conclusions.model.assets[self.place]

    @property
    def risk_share(self) -> float:
        return self.conclusions.decision.current.risk_shares[self.place]


@dataclass(frozen=True, slots=True)
class OpinionRow:
    """A second source's price beside the feed's, USD."""

    opinion: Opinion
    feed_price_usd: float

    @property
    def gap_bps(self) -> float | None:
        if self.opinion.price_usd is None or self.feed_price_usd <= 0:
            return None
        return (self.opinion.price_usd / self.feed_price_usd - 1) * BPS


def _verdict(gate: Gate) -> str:
    if gate.kind == "trigger":
        return f"fired {gate.urgency}" if gate.passed else "quiet"
    if gate.passed:
        return "pass"
    return "no buying" if gate.kind == "levering" else "STOP"


VOLATILITY = View[AssetRisk](
    "volatility",
    historical=Field(unit.FRACTION, "From the price history, a year."),
    implied=Field(unit.FRACTION, "From options, a year; null without a quote."),
    blended=Field(unit.FRACTION, "The forecast that is used, a year."),
)
ASSET = View[AssetRow](
    "assets",
    **lifted(HOLDING, "holding"),
    volatility=Field(nested(VOLATILITY), "Volatility of the asset.", "risk"),
    bars=Field(unit.COUNT, "Price bars behind the estimate.", "risk.bars"),
    implied_weight=Field(unit.SHARE, "Weight of the implied volatility.", "risk.implied_weight"),
    provenance=Field(unit.TEXT, "How the volatility was estimated.", "risk.provenance"),
    target_weight=Field(unit.FRACTION, "Target.", lambda row: row.conclusions.target.weights[row.place]),
    risk_share=Field(unit.FRACTION, "Its share of the portfolio's risk."),
    target_risk_share=Field(
        unit.FRACTION, "That share at the target.", lambda row: row.conclusions.target.risk_shares[row.place]
    ),
    budget=Field(unit.FRACTION, "Risk budget.", lambda row: row.conclusions.target.budgets[row.place]),
)
COVARIANCE = View[RiskModel](
    "covariance",
    symbols=Field(unit.TEXTS, "Order of rows and columns."),
    matrix=Field(unit.MATRIX, "Covariance forecast of log returns, a year.", "covariance"),
)
BOUND = View[Bound](
    "bounds",
    name=Field(unit.TEXT, "Name of the bound (exit-codes.md)."),
    leverage=Field(unit.RATIO, "Leverage at which it binds; null if it never does."),
    detail=Field(unit.TEXT, "How it was computed."),
)
GATE = View[Gate](
    "gates",
    name=Field(unit.TEXT, "Name of the gate (exit-codes.md)."),
    kind=Field(unit.TEXT, "`trigger`, `limit` or `levering`."),
    urgency=Field(unit.TEXT, "Urgency at which it was judged."),
    value=Field(unit.NUMBER, "The number that was judged."),
    limit=Field(unit.NUMBER, "The number that it was compared with."),
    passed=Field(unit.FLAG, "Of a trigger: it fired. Of a limit: it holds."),
    detail=Field(unit.TEXT, "What the numbers are."),
    verdict=Field(unit.TEXT, "On the screen: fired, quiet, pass, no buying or STOP.", _verdict),
)
OPINION = View[OpinionRow](
    "opinions",
    symbol=Field(unit.TEXT, "The asset.", "opinion.symbol"),
    source=Field(unit.TEXT, "Pool, exchange or index.", "opinion.source"),
    price_usd=Field(unit.PRICE, "Its price; null if it has none.", "opinion.price_usd"),
    gap_bps=Field(unit.GAP, "Distance of that price from the feed's."),
    observed_at=Field(unit.TIME, "When that price was true.", "opinion.observed_at"),
    reason=Field(unit.TEXT, "Why there is no price.", "opinion.reason"),
)
TARGET = View[TargetPortfolio](
    "target",
    target_leverage=Field(unit.RATIO, "Leverage of the target.", "leverage"),
    binding=Field(unit.TEXT, "The bound that set the target's leverage."),
    binding_caps=Field(unit.TEXTS, "Caps that changed the target weights."),
    missing=Field(unit.TEXTS, "What holds risk at that of the last fully informed look."),
    bounds=Field(nested_list(BOUND), "Every bound on leverage."),
    target_health_factor=Field(unit.RATIO, "Health factor at the target.", "health_factor"),
    target_volatility=Field(unit.FRACTION, "Volatility at the target, a year.", "volatility"),
    unit_volatility=Field(unit.FRACTION, "Volatility of the target at leverage 1, a year."),
)
DECISION = View[Decision](
    "decision",
    action=Field(unit.TEXT, "HOLD, REBALANCE, ITERATE or RIPCORD."),
    urgency=Field(unit.TEXT, "ROUTINE, OUT_OF_BAND or EMERGENCY."),
    volatility=Field(unit.FRACTION, "Present volatility, a year.", "current.volatility"),
    triggers=Field(
        unit.TEXTS,
        "Triggers that fired.",
        lambda it: [gate.name for gate in it.gates if gate.kind == "trigger" and gate.passed],
    ),
    failed_gates=Field(
        unit.TEXTS,
        "Limits that do not hold.",
        lambda it: [gate.name for gate in it.gates if gate.kind != "trigger" and not gate.passed],
    ),
    gates=Field(nested_list(GATE), "Every trigger and limit that was judged."),
    benefit_usd=Field(unit.USD, "What the considered trade is worth."),
    expected_cost_usd=Field(
        unit.USD, "What it was expected to cost when it was considered; null where gas has no price in USD."
    ),
    remaining=Field(unit.NAVS, "Weight changes left for later cycles, summed."),
)


def asset_rows(record: DecisionRecord) -> tuple[AssetRow, ...]:
    """Empty if the cycle ended before its conclusions."""
    if record.inputs is None or record.conclusions is None:
        return ()
    snapshot, conclusions = record.inputs.snapshot, record.conclusions
    return tuple(
        AssetRow(HoldingRow(snapshot, snapshot.risk_symbols.index(symbol)), conclusions, place)
        for place, symbol in enumerate(conclusions.model.symbols)
    )


def opinion_rows(record: DecisionRecord) -> tuple[OpinionRow, ...]:
    """Opinions of pools, exchanges and indices on the prices of a cycle."""
    if record.inputs is None:
        return ()
    snapshot = record.inputs.snapshot
    opinions = (*twap_opinions(snapshot, record.inputs.policy.oracle), *record.inputs.opinions)
    return tuple(
        OpinionRow(opinion, snapshot.feeds[snapshot.index(opinion.symbol)].price_usd) for opinion in opinions
    )

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
    return "pass" if gate.passed else "STOP"


VOLATILITY = View[AssetRisk](
    "volatility",
    (
        Field("historical", unit.FRACTION, "From the price history, a year."),
        Field("implied", unit.FRACTION, "From options, a year; null without a quote."),
        Field("blended", unit.FRACTION, "The forecast that is used, a year."),
    ),
)
ASSET = View[AssetRow](
    "assets",
    (
        *lifted(HOLDING, "holding"),
        Field("volatility", nested(VOLATILITY), "Volatility of the asset.", source="risk"),
        Field("bars", unit.COUNT, "Price bars behind the estimate.", source="risk.bars"),
        Field(
            "implied_weight", unit.SHARE, "Weight of the implied volatility.", source="risk.implied_weight"
        ),
        Field("provenance", unit.TEXT, "How the volatility was estimated.", source="risk.provenance"),
        Field(
            "target_weight",
            unit.FRACTION,
            "Target.",
            source=lambda row: row.conclusions.target.weights[row.place],
        ),
        Field("risk_share", unit.FRACTION, "Its share of the portfolio's risk."),
        Field(
            "target_risk_share",
            unit.FRACTION,
            "That share at the target.",
            source=lambda row: row.conclusions.target.risk_shares[row.place],
        ),
        Field(
            "budget",
            unit.FRACTION,
            "Risk budget.",
            source=lambda row: row.conclusions.target.budgets[row.place],
        ),
    ),
)
COVARIANCE = View[RiskModel](
    "covariance",
    (
        Field("symbols", unit.TEXTS, "Order of rows and columns."),
        Field("matrix", unit.MATRIX, "Covariance forecast of log returns, a year.", source="covariance"),
    ),
)
BOUND = View[Bound](
    "bounds",
    (
        Field("name", unit.TEXT, "Name of the bound (exit-codes.md)."),
        Field("leverage", unit.RATIO, "Leverage at which it binds; null if it never does."),
        Field("detail", unit.TEXT, "How it was computed."),
    ),
)
GATE = View[Gate](
    "gates",
    (
        Field("name", unit.TEXT, "Name of the gate (exit-codes.md)."),
        Field("kind", unit.TEXT, "`trigger`, `limit` or `levering`."),
        Field("urgency", unit.TEXT, "Urgency at which it was judged."),
        Field("value", unit.NUMBER, "The number that was judged."),
        Field("limit", unit.NUMBER, "The number that it was compared with."),
        Field("passed", unit.FLAG, "Of a trigger: it fired. Of a limit: it holds."),
        Field("detail", unit.TEXT, "What the numbers are."),
        Field("verdict", unit.TEXT, "On the screen: fired, quiet, pass or STOP.", source=_verdict),
    ),
)
OPINION = View[OpinionRow](
    "opinions",
    (
        Field("symbol", unit.TEXT, "The asset.", source="opinion.symbol"),
        Field("source", unit.TEXT, "Pool, exchange or index.", source="opinion.source"),
        Field("price_usd", unit.PRICE, "Its price; null if it has none.", source="opinion.price_usd"),
        Field("gap_bps", unit.GAP, "Distance of that price from the feed's."),
        Field("observed_at", unit.TIME, "When that price was true.", source="opinion.observed_at"),
        Field("reason", unit.TEXT, "Why there is no price.", source="opinion.reason"),
    ),
)
TARGET = View[TargetPortfolio](
    "target",
    (
        Field("target_leverage", unit.RATIO, "Leverage of the target.", source="leverage"),
        Field("binding", unit.TEXT, "The bound that set the target's leverage."),
        Field("binding_caps", unit.TEXTS, "Caps that changed the target weights."),
        Field("bounds", nested_list(BOUND), "Every bound on leverage."),
        Field("target_health_factor", unit.RATIO, "Health factor at the target.", source="health_factor"),
        Field("target_volatility", unit.FRACTION, "Volatility at the target, a year.", source="volatility"),
        Field("unit_volatility", unit.FRACTION, "Volatility of the target at leverage 1, a year."),
    ),
)
DECISION = View[Decision](
    "decision",
    (
        Field("action", unit.TEXT, "HOLD, REBALANCE, ITERATE or RIPCORD."),
        Field("urgency", unit.TEXT, "ROUTINE, OUT_OF_BAND or EMERGENCY."),
        Field("volatility", unit.FRACTION, "Present volatility, a year.", source="current.volatility"),
        Field(
            "triggers",
            unit.TEXTS,
            "Triggers that fired.",
            source=lambda it: [gate.name for gate in it.gates if gate.kind == "trigger" and gate.passed],
        ),
        Field(
            "failed_gates",
            unit.TEXTS,
            "Limits that do not hold.",
            source=lambda it: [gate.name for gate in it.gates if gate.kind != "trigger" and not gate.passed],
        ),
        Field("gates", nested_list(GATE), "Every trigger and limit that was judged."),
        Field("benefit_usd", unit.USD, "What the considered trade is worth."),
        Field("expected_cost_usd", unit.USD, "What it was expected to cost when it was considered."),
        Field("remaining", unit.NAVS, "Weight changes left for later cycles, summed."),
    ),
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

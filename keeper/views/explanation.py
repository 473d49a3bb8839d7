"""Why a cycle traded or held, what would change that, and when the keeper looks again, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keeper.cycle.thresholds import PriceThreshold, WhatIf, what_if
from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.exit_codes import EXIT_CODES
from keeper.domain.record import CycleOutcome, DecisionRecord
from keeper.domain.units import USD
from keeper.views import formats as unit
from keeper.views.formats import age, moment, money, number
from keeper.views.reference import MEANING, NamedMeaning
from keeper.views.status import RECORD_SUMMARY
from keeper.views.view import Field, View, nested, nested_list

OUTCOMES = {
    CycleOutcome.HELD: "The keeper held.",
    CycleOutcome.DECLINED: "The keeper planned a trade, and the simulation of it failed a check. It held.",
    CycleOutcome.WOULD_SEND: "The keeper would have traded. This mode does not send.",
    CycleOutcome.SENT: "The keeper traded.",
    CycleOutcome.FAILED: "An error ended the cycle.",
}
MAX_THRESHOLDS = 6
AGE = "age"


@dataclass(frozen=True, slots=True)
class Explanation:
    """``why``, ``changes`` and ``next_look`` are sentences. ``what_if`` has the prices that ``changes`` names."""

    record: DecisionRecord
    what_if: WhatIf
    why: tuple[str, ...]
    changes: tuple[str, ...]
    next_look: str


@dataclass(frozen=True, slots=True)
class _Price:
    """The threshold price of one asset, USD."""

    symbol: str
    price_usd: float


PRICE = View[_Price](
    "threshold prices",
    symbol=Field(unit.TEXT, "The asset."),
    price_usd=Field(unit.PRICE, "Its price at the threshold."),
)
THRESHOLD = View[PriceThreshold](
    "thresholds",
    prices=Field(
        nested_list(PRICE),
        "The assets whose prices move, all by the same fraction.",
        lambda it: [_Price(*pair) for pair in zip(it.symbols, _in_usd(it), strict=True)],
    ),
    change=Field(unit.FRACTION, "Distance from the record's prices."),
    action=Field(unit.TEXT, "What is decided there.", "decision.action"),
    urgency=Field(unit.TEXT, "With which urgency.", "decision.urgency"),
    reason=Field(unit.TEXT, "Why.", "decision.reason"),
)
EXPLANATION = View[Explanation](
    "explanation",
    record=Field(nested(RECORD_SUMMARY), "The record."),
    why=Field(unit.TEXTS, "Why it traded or held."),
    changes=Field(unit.TEXTS, "What would have to change for it to act otherwise."),
    next_look=Field(unit.TEXT, "When the keeper looks again."),
    thresholds=Field(nested_list(THRESHOLD), "Where a HOLD ends, the nearest first.", "what_if.trades"),
    stopped=Field(
        nested_list(THRESHOLD),
        "Where a trigger asks for a trade and a gate stops it, in directions without a trade.",
        "what_if.stopped",
    ),
    ripcord=Field(
        nested_list(THRESHOLD),
        "The joint fall at which it deleverages at once; empty if no fall does.",
        lambda it: [it.what_if.ripcord] if it.what_if.ripcord is not None else [],
    ),
)


def explain(record: DecisionRecord) -> Explanation:
    """Pure: the thresholds come from the decision made again at other prices, with the record's own estimate."""
    places = what_if(record)
    return Explanation(
        record=record,
        what_if=places,
        why=why(record),
        changes=_changes(record, places),
        next_look=_next_look(record),
    )


def explained_json(explained: Explanation | Sequence[NamedMeaning]) -> dict[str, Any]:
    """What `keeper explain --json` prints."""
    if isinstance(explained, Explanation):
        return EXPLANATION.json(explained)
    return {"meanings": [MEANING.json(entry) for entry in explained]}


def threshold_line(threshold: PriceThreshold) -> str:
    """ "WETH falls to 1,840.2 USD (-6.2 %)", or "all prices fall by 12.4 %"."""
    word = "falls" if threshold.change < 0 else "rises"
    if len(threshold.symbols) > 1:
        return f"all prices {word[:-1]} together by {abs(threshold.change) * 100:.1f} %"
    (price,) = _in_usd(threshold)
    return f"{threshold.symbols[0]} {word} to {_digits(price)} USD ({threshold.change * 100:+.1f} %)"


def _in_usd(threshold: PriceThreshold) -> tuple[float, ...]:
    return tuple(price / USD for price in threshold.prices)


def _digits(price: float) -> str:
    """Five significant digits, in which the threshold was searched, and no exponent."""
    whole = f"{price:.4e}"
    decimals = max(0, 4 - int(whole.partition("e")[2]))
    return f"{price:,.{decimals}f}"


def why(record: DecisionRecord) -> tuple[str, ...]:
    """Sentences: the outcome, its reason, and the gates, checks and costs behind it."""
    lines = [OUTCOMES[record.outcome], record.summary]
    if record.conclusions is not None:
        lines += _gate_lines(record.conclusions.decision)
    if record.verdict is not None and record.outcome is CycleOutcome.DECLINED:
        lines += [
            f"Check {check.name}: {check.detail}." for check in record.verdict.checks if not check.passed
        ]
    if record.conclusions is not None and record.conclusions.plan is not None:
        cost = record.conclusions.plan.cost
        lines.append(
            f"The trade was worth {money(record.conclusions.decision.benefit_usd)} and was planned to cost "
            f"{money(cost.total)}."
        )
    if record.receipt is not None:
        lines.append(f"Transaction {record.receipt.tx_hash} in block {record.receipt.block_number:,}.")
    if record.exit_code:
        lines += [
            f"Exit code {code.code}: {code.meaning}" for code in EXIT_CODES if code.code == record.exit_code
        ]
    return tuple(lines)


def _gate_lines(decision: Decision) -> list[str]:
    fired = [gate for gate in decision.gates if gate.kind == "trigger" and gate.passed]
    failed = [gate for gate in decision.gates if gate.kind != "trigger" and not gate.passed]
    lines = [
        f"Trigger {gate.name} asked for a trade ({gate.urgency.value}): {gate.detail}." for gate in fired
    ]
    if not fired:
        return ["No trigger asked for a trade.", *lines]
    held_back = "held back the purchases" if decision.action is not Action.HOLD else "stopped the trade"
    return [*lines, *(f"Gate {gate.name} {held_back}: {gate.detail}." for gate in failed)]


def _changes(record: DecisionRecord, places: WhatIf) -> tuple[str, ...]:
    if record.failure is not None:
        return (record.failure.remedy,)
    if record.conclusions is None or record.inputs is None:
        return ()
    decision = record.conclusions.decision
    lines: list[str] = []
    if decision.action is Action.HOLD:
        shown = places.trades[:MAX_THRESHOLDS]
        lines += [f"It acts if {threshold_line(place)}: {_reason(place)}" for place in shown]
        if not shown:
            lines.append(
                "No price within 80 % of the present ones makes it act as long as all else is equal."
            )
        lines += [_stopped_line(place) for place in places.stopped[: MAX_THRESHOLDS - len(shown)]]
        lines += [f"Gate {gate.name} must hold first: {gate.detail}." for gate in _stopping(decision)]
        lines += _by_age(decision, record.inputs.snapshot.block.timestamp)
    if places.ripcord is not None:
        lines.append(f"It deleverages at once if {threshold_line(places.ripcord)}.")
    return tuple(lines)


def _stopped_line(place: PriceThreshold) -> str:
    why = place.decision.reason.removeprefix("HOLD: ")
    return f"If {threshold_line(place)}, a trigger asks for a trade, which is stopped: {why}"


def _stopping(decision: Decision) -> list[Gate]:
    """Only where a trigger fired: without one, no gate holds anything back."""
    fired = any(gate.kind == "trigger" and gate.passed for gate in decision.gates)
    return [gate for gate in decision.gates if fired and gate.kind != "trigger" and not gate.passed]


def _by_age(decision: Decision, now: int) -> list[str]:
    return [
        f"Without any move, trigger age fires on {moment(now + gate.limit - gate.value)}, "
        f"in {age(gate.limit - gate.value)}."
        for gate in decision.gates
        if gate.name == AGE and not gate.passed
    ]


def _reason(place: PriceThreshold) -> str:
    decision = place.decision
    fired = [gate for gate in decision.gates if gate.kind == "trigger" and gate.passed]
    cause = next((gate for gate in fired if gate.urgency is decision.urgency), None)
    if cause is None:
        return f"{decision.action.value}."
    return f"{decision.action.value} by {cause.name}, {number(cause.value)} against {number(cause.limit)}."


def _next_look(record: DecisionRecord) -> str:
    if record.next_look_at is None:
        return "A person ran this cycle. `keeper run` looks on a schedule."
    return (
        f"The schedule's next look after this one: {moment(record.next_look_at)}, "
        f"{age(max(0.0, record.next_look_at - record.started_at))} later."
    )

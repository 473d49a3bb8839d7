"""What the keeper remembers of the last fully informed look, and what is missing since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.information import Fact, InformationMemory, MissingFact
from keeper.views import formats as unit
from keeper.views.view import Field, View, nested_list

EFFECT = "Until it is back, leverage, weights and every bound stay at or below those of that look."
EFFECT_ON_A_FIRST_START = "No look was fully informed yet, so the target is at most what the vault holds."


@dataclass(frozen=True, slots=True)
class MissingRow:
    """A missing fact beside what the last informed look knew; ``before`` is None where that did not know it either."""

    fact: MissingFact
    before: float | None
    accepted: bool


def missing_rows(memory: InformationMemory) -> tuple[MissingRow, ...]:
    known = {fact.name: fact.amount for fact in memory.look.facts} if memory.look is not None else {}
    accepted = {fact.name: fact.amount for fact in memory.accepted}
    return tuple(
        MissingRow(
            fact,
            known.get(fact.name),
            accepted=fact.name in accepted and fact.amount >= accepted[fact.name],
        )
        for fact in memory.missing
    )


def information_line(memory: InformationMemory, missing: Sequence[str]) -> str:
    """What is missing and what that does. ``missing`` are the names that hold risk down."""
    if memory.look is None and not missing:
        return "nothing is remembered, because no cycle has read the market yet"
    if not missing:
        return "complete"
    since = {fact.name: fact.since for fact in memory.missing}
    names = ", ".join(
        f"{name} (since {unit.moment(since[name])})" if name in since else name for name in missing
    )
    if memory.look is None:
        return f"missing {names}. {EFFECT_ON_A_FIRST_START}"
    return f"missing {names}. Last fully informed: {unit.moment(memory.look.as_of)}. {EFFECT}"


FACT = View[Fact](
    "facts",
    name=Field(unit.TEXT, "Name of the fact (information.md)."),
    amount=Field(unit.AMOUNT, "How much was known; more is better."),
)
MISSING = View[MissingRow](
    "missing_facts",
    name=Field(unit.TEXT, "Name of the fact (information.md).", "fact.name"),
    before=Field(unit.AMOUNT, "What the last fully informed look knew; null if nothing."),
    now=Field(unit.AMOUNT, "What is known now; null if the fact is gone.", "fact.amount"),
    since=Field(unit.TIME, "Since when it is missing or became worse.", "fact.since"),
    accepted=Field(unit.FLAG, "Whether a person accepted it (`keeper information --accept`)."),
)
INFORMATION = View[InformationMemory](
    "information",
    informed_at=Field(unit.TIME, "Block time of the last fully informed look.", "look.as_of"),
    leverage_then=Field(unit.RATIO, "Target leverage that it allows.", "look.leverage"),
    worst_losses=Field(
        unit.MATRIX,
        "Losses per asset, each at one time, that bound the stress.",
        lambda memory: [loss.losses for loss in memory.worst_losses],
    ),
    missing_facts=Field(nested_list(MISSING), "What is missing, the accepted facts included.", missing_rows),
    facts=Field(nested_list(FACT), "What the last fully informed look knew.", "look.facts"),
)

"""The fire drill: which falls one emergency call survives, and what would be in the way."""

from __future__ import annotations

from keeper.domain.fire_drill import FallOutcome, FireDrill
from keeper.domain.units import WAD
from keeper.views import formats as unit
from keeper.views.view import Field, View, nested_list


def drill_line(drill: FireDrill | None) -> str:
    """The largest survivable fall, what is in the way of a larger one, and who says so."""
    if drill is None:
        return "none held yet"
    by = (
        "confirmed by the node"
        if drill.checked
        else f"computed only{f': {drill.note}' if drill.note else ''}"
    )
    if drill.survivable_fall is None:
        return f"unknown: {drill.note}"
    hindered = drill.hindered
    if hindered is None:
        return f"one call is enough for every fall up to {drill.survivable_fall:.0%} ({by})"
    why = f"{hindered.hindrance} is in the way at {hindered.fall:.0%}: {hindered.detail}"
    if hindered.fall == 0.0:
        return f"NO emergency call is possible now; {why} ({by})"
    return f"one call is enough up to a joint fall of {drill.survivable_fall:.0%}; {why} ({by})"


FALL = View[FallOutcome](
    "falls",
    fall=Field(unit.FRACTION, "Joint fall of all risk assets; 0 is the present."),
    survived=Field(unit.FLAG, "Whether the vault is safe after it, by itself or by one emergency call."),
    hindrance=Field(unit.TEXT, "What is in the way (exit-codes.md); null if nothing."),
    detail=Field(unit.TEXT, "The outcome in one sentence."),
    health_factor=Field(unit.RATIO, "Health factor after the fall; null without debt."),
    ends_at=Field(unit.RATIO, "Health factor that the call is expected to reach; 0 without a call."),
    steps=Field(unit.COUNT, "Steps of the call; 0 without a call."),
    gas_limit=Field(unit.COUNT, "Gas limit of the call."),
    fee_eth=Field(
        unit.ETH, "Its fee at the drill's price of gas, native coin.", lambda outcome: outcome.fee_wei / WAD
    ),
    confirmed=Field(
        unit.FLAG, "Whether a node ran the call with the fall in place.", lambda it: it.check is not None
    ),
)
DRILL = View[FireDrill](
    "drill",
    survivable_fall=Field(unit.FRACTION, "Largest survivable fall; null if it is unknown."),
    hindrance=Field(unit.TEXT, "What is in the way of a larger one; null if nothing.", "hindered.hindrance"),
    checked=Field(unit.FLAG, "Whether a node confirmed every call that is needed."),
    note=Field(unit.TEXT, "Why it did not, or why nothing is known; empty otherwise."),
    falls=Field(nested_list(FALL), "Every fall that was tried.", "outcomes"),
)

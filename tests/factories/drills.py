"""Fire drills."""

from __future__ import annotations

from typing import Any

from keeper.domain.fire_drill import FALLS, DrillCheck, FallOutcome, FireDrill
from keeper.domain.hindrances import Hindrance
from tests.factories.constants import GWEI


def a_fire_drill(survived: float = 0.2, **changes: Any) -> FireDrill:
    """A vault that needs a call from a fall of 20 % on, and is liquidated by the first one above ``survived``."""
    fields: dict[str, Any] = {
        "outcomes": tuple(_outcome(fall, survived) for fall in FALLS),
        "checked": True,
        **changes,
    }
    return FireDrill(**fields)


def _outcome(fall: float, survived: float) -> FallOutcome:
    factor = 1.4 * (1.0 - fall)
    if fall > survived:
        return FallOutcome(
            fall, factor, 0, 0, 0, 0.0, hindrance=Hindrance.LIQUIDATION, detail=f"health factor {factor:.3f}"
        )
    if fall < 0.2:
        return FallOutcome(fall, factor, 0, 0, 0, 0.0, hindrance=None, detail="no call is needed")
    return FallOutcome(
        fall,
        factor,
        steps=4,
        gas_limit=1_500_000,
        fee_wei=1_500_000 * 156 * GWEI,
        ends_at=1.33,
        hindrance=None,
        detail="one call raises the health factor",
        check=DrillCheck(fall, "", 1.33),
    )

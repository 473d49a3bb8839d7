"""How urgent a rebalance is. ``DecisionPolicy.limits`` has the limits of each urgency."""

from __future__ import annotations

from enum import StrEnum


class Urgency(StrEnum):
    """ROUTINE: trade only when it is cheap. OUT_OF_BAND: risk is outside its outer band. EMERGENCY: the health factor
    is too low."""

    ROUTINE = "ROUTINE"
    OUT_OF_BAND = "OUT_OF_BAND"
    EMERGENCY = "EMERGENCY"

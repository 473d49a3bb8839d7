"""How pressing a rebalance is; one table in the policy gives each its limits."""

from __future__ import annotations

from enum import StrEnum


class Urgency(StrEnum):
    """ROUTINE: worth it when cheap. OUT_OF_BAND: risk is off by more than the outer band. EMERGENCY: health
    factor."""

    ROUTINE = "ROUTINE"
    OUT_OF_BAND = "OUT_OF_BAND"
    EMERGENCY = "EMERGENCY"

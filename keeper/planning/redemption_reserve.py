"""How much of what the redemption queue waits for a plan may leave idle."""

from __future__ import annotations

import math
from collections.abc import Mapping

from keeper.planning.context import PlanningContext


def excess_debt(owed: int, supplied: Mapping[str, int], context: PlanningContext) -> int:
    """By how much a debt of ``owed`` raw beside this collateral exceeds the policy's floor of the health factor."""
    floor = context.policy.size.min_health_factor
    return max(0, owed - context.venue.debt_at(supplied, floor)) if math.isfinite(floor) else owed

"""What the vault counts as sold by a plan, and how much of it a call may sell."""

from __future__ import annotations

import math
from collections.abc import Iterable

from keeper.oracle.vault_rules import call_limits
from keeper.planning.context import PlanningContext
from keeper.planning.fills import Fill


def counted_usd(fills: Iterable[Fill]) -> float:
    """What enters every pool."""
    return math.fsum(fill.trade.value_usd * len(fill.route.fees) for fill in fills)


def turnover_left_usd(context: PlanningContext) -> float:
    """inf in the vault's emergency."""
    return context.held.nav_usd * call_limits(context.snapshot, lowering=context.deleverages).turnover

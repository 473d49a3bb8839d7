"""What the vault counts as sold by a plan, and how much of it a call may sell."""

from __future__ import annotations

import math
from collections.abc import Iterable

from keeper.oracle.vault_rules import call_limits
from keeper.planning.context import PlanningContext
from keeper.planning.fills import Fill

PART_FOR_DETOURS = 0.5
"""Routes of two hops, and through the hub, sell some value twice. Of the turnover that is left today they may use this
part where the rest is for something else."""


def counted_usd(fills: Iterable[Fill]) -> float:
    """What enters every pool."""
    return math.fsum(fill.trade.value_usd * len(fill.route.fees) for fill in fills)


def turnover_left_usd(context: PlanningContext) -> float:
    """inf in the vault's emergency."""
    return context.held.nav_usd * call_limits(context.snapshot, lowering=context.deleverages).turnover


def turnover_for_fills_usd(context: PlanningContext) -> float:
    """What the fills may use while direct pools could take more of them. Sales that lower the debt leave some for those
    that the day's limit has cut off."""
    left = turnover_left_usd(context)
    return left * PART_FOR_DETOURS if context.deleverages or context.sells_only else left

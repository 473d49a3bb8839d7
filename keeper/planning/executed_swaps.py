"""What each swap of a mined plan returned, beside what was quoted, simulated and fair."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan, Step, StepKind
from keeper.domain.units import BPS, usd
from keeper.planning.fills import FEE_UNIT


def build_executed_swaps(
    plan: RebalancePlan,
    snapshot: MarketSnapshot,
    simulated: Sequence[int],
    realised: Sequence[int],
    simulated_paid: Sequence[int] = (),
    paid: Sequence[int] = (),
) -> tuple[ExecutedSwap, ...]:
    """One for each swap that returned something. ``simulated`` and ``realised``: what came into the vault by each of
    the plan's steps, ``simulated_paid`` and ``paid`` what left it, raw; empty where the node did not tell. ``snapshot``
    is the one that was decided on.

    An exact-output swap returns what was asked, and differs in what it took: it is told as if what it took had been
    sold at the price quoted, and at the price simulated.
    """
    count = len(plan.steps)
    if len(realised) != count:
        return ()
    told, told_paid, took = (
        found if len(found) == count else [None] * count for found in (simulated, simulated_paid, paid)
    )
    moved = zip(plan.steps, told, realised, told_paid, took, strict=True)
    return tuple(_leg(snapshot, *one) for one in moved if one[0].route is not None)


def _leg(
    snapshot: MarketSnapshot, step: Step, told: int | None, came: int, told_paid: int | None, took: int | None
) -> ExecutedSwap:
    assert step.route is not None
    sold, bought = snapshot.token(step.route.symbols[0]), snapshot.token(step.route.symbols[-1])
    paid, quoted = step.expected_in, step.expected_out
    if step.kind is StepKind.SWAP_EXACT_OUT:
        paid = took or paid
        quoted = came * paid // max(1, step.expected_in)
        told = came * paid // told_paid if told_paid else None
    fair = paid * snapshot.price(sold.symbol) * 10**bought.decimals
    kept = math.prod(1.0 - fee / FEE_UNIT for fee in step.route.fees)
    return ExecutedSwap(
        sold=sold.symbol,
        bought=bought.symbol,
        route=step.route,
        value_usd=usd(paid, sold.decimals, snapshot.price(sold.symbol)),
        fair_out=fair // (snapshot.price(bought.symbol) * 10**sold.decimals),
        quoted_out=quoted,
        simulated_out=told,
        realised_out=came,
        fees_bps=(1.0 - kept) * BPS,
        at=snapshot.block.timestamp,
    )

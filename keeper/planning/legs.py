"""What each swap of a mined plan returned, beside what was quoted, simulated and fair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from keeper.domain.legs import ExecutedLeg
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan, Step
from keeper.domain.units import BPS, usd
from keeper.planning.fills import FEE_UNIT


def executed_legs(
    plan: RebalancePlan, snapshot: MarketSnapshot, simulated: Sequence[int], realised: Sequence[int]
) -> tuple[ExecutedLeg, ...]:
    """One for each swap that returned something. ``simulated`` and ``realised``: what came into the vault by each of
    the plan's steps, raw; empty where the node did not tell. ``snapshot`` is the one that was decided on."""
    if len(realised) != len(plan.steps):
        return ()
    told = simulated if len(simulated) == len(plan.steps) else [None] * len(plan.steps)
    return tuple(_legs(plan.steps, snapshot, told, realised))


def _legs(
    steps: Sequence[Step],
    snapshot: MarketSnapshot,
    simulated: Sequence[int | None],
    realised: Sequence[int],
) -> Iterator[ExecutedLeg]:
    for step, told, came in zip(steps, simulated, realised, strict=True):
        if step.route is None:
            continue
        sold, bought = snapshot.token(step.route.symbols[0]), snapshot.token(step.route.symbols[-1])
        paid = step.expected_in * snapshot.price(sold.symbol) * 10**bought.decimals
        kept = math.prod(1.0 - fee / FEE_UNIT for fee in step.route.fees)
        yield ExecutedLeg(
            sold=sold.symbol,
            bought=bought.symbol,
            route=step.route,
            value_usd=usd(step.expected_in, sold.decimals, snapshot.price(sold.symbol)),
            fair_out=paid // (snapshot.price(bought.symbol) * 10**sold.decimals),
            quoted_out=step.expected_out,
            simulated_out=told,
            realised_out=came,
            fees_bps=(1.0 - kept) * BPS,
            at=snapshot.block.timestamp,
        )

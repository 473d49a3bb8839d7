"""What each swap of a mined plan returned, and what was quoted, simulated and fair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan, Step, StepKind
from keeper.domain.units import BPS, unit, usd
from keeper.planning.fills import FEE_UNIT


@dataclass(frozen=True, slots=True)
class StepAmounts:
    """What each step of a plan brought into the vault (``outs``) and took out of it (``ins``), raw; empty where the
    node does not report it."""

    outs: Sequence[int] = ()
    ins: Sequence[int] = ()


def build_executed_swaps(
    plan: RebalancePlan, snapshot: MarketSnapshot, simulated: StepAmounts, realised: StepAmounts
) -> tuple[ExecutedSwap, ...]:
    """One entry per swap of the plan; none where the realised outputs are unknown. ``snapshot`` is the one that was
    decided on."""
    count = len(plan.steps)
    if len(realised.outs) != count:
        return ()
    ins = zip(_by_step(simulated.ins, count), _by_step(realised.ins, count), strict=True)
    outs = zip(_by_step(simulated.outs, count), realised.outs, strict=True)
    return tuple(
        _executed(step, snapshot, ins_of_step, outs=outs_of_step)
        for step, ins_of_step, outs_of_step in zip(plan.steps, ins, outs, strict=True)
        if step.route is not None
    )


def _by_step(amounts: Sequence[int], count: int) -> Sequence[int | None]:
    return amounts if len(amounts) == count else [None] * count


def _executed(
    step: Step, snapshot: MarketSnapshot, ins: tuple[int | None, int | None], outs: tuple[int | None, int]
) -> ExecutedSwap:
    """``ins`` and ``outs`` are simulated and realised.

    An exact-output swap varies in its input, not in its output. It is recorded as if its realised input had been sold
    at the quoted price and at the simulated price."""
    assert step.route is not None
    (simulated_in, realised_in), (simulated_out, realised_out) = ins, outs
    amount_in, quoted_out = step.expected_in, step.expected_out
    if step.kind is StepKind.SWAP_EXACT_OUT:
        amount_in = realised_in or step.expected_in
        quoted_out = realised_out * amount_in // max(1, step.expected_in)
        simulated_out = realised_out * amount_in // simulated_in if simulated_in else None
    sold, bought = snapshot.token(step.route.symbols[0]), snapshot.token(step.route.symbols[-1])
    sold_price, bought_price = snapshot.price(sold.symbol), snapshot.price(bought.symbol)
    after_fees = math.prod(1.0 - fee / FEE_UNIT for fee in step.route.fees)
    return ExecutedSwap(
        sold=sold.symbol,
        bought=bought.symbol,
        route=step.route,
        value_usd=usd(amount_in, sold.decimals, sold_price),
        fair_out=amount_in * sold_price * unit(bought.decimals) // (bought_price * unit(sold.decimals)),
        quoted_out=quoted_out,
        simulated_out=simulated_out,
        realised_out=realised_out,
        fees_bps=(1.0 - after_fees) * BPS,
        at=snapshot.block.timestamp,
    )

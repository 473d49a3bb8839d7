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
    simulated_outs = simulated.outs if len(simulated.outs) == count else [None] * count
    simulated_ins = simulated.ins if len(simulated.ins) == count else [None] * count
    realised_ins = realised.ins if len(realised.ins) == count else [None] * count
    return tuple(
        _exact_output(
            step, snapshot, simulated_in=simulated_in, realised_out=realised_out, realised_in=realised_in
        )
        if step.kind is StepKind.SWAP_EXACT_OUT
        else _executed(
            step,
            snapshot,
            amount_in=step.expected_in,
            quoted_out=step.expected_out,
            simulated_out=simulated_out,
            realised_out=realised_out,
        )
        for step, simulated_out, simulated_in, realised_out, realised_in in zip(
            plan.steps, simulated_outs, simulated_ins, realised.outs, realised_ins, strict=True
        )
        if step.route is not None
    )


def _exact_output(
    step: Step,
    snapshot: MarketSnapshot,
    *,
    simulated_in: int | None,
    realised_out: int,
    realised_in: int | None,
) -> ExecutedSwap:
    """An exact-output swap varies in its input, not in its output. It is recorded as if its realised input had been
    sold at the quoted price and at the simulated price."""
    amount_in = realised_in or step.expected_in
    return _executed(
        step,
        snapshot,
        amount_in=amount_in,
        quoted_out=realised_out * amount_in // max(1, step.expected_in),
        simulated_out=realised_out * amount_in // simulated_in if simulated_in else None,
        realised_out=realised_out,
    )


def _executed(
    step: Step,
    snapshot: MarketSnapshot,
    *,
    amount_in: int,
    quoted_out: int,
    simulated_out: int | None,
    realised_out: int,
) -> ExecutedSwap:
    assert step.route is not None
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

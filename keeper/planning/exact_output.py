"""Sales that repay all debt, as exact-output swaps for just what is owed.

Sales of a given size count at their minimum output. Where they clear the debt, the whole allowance for slippage would
be sold as well, and stay idle. But what must be paid is known to the unit. So the pools are asked for exactly that, and
may take at most what would have been sold.

**An exact-output swap is never less certain to go through.** A pool's output g grows with its input, and a sale of x
for at least m goes through where g(x) >= m. Its part here is an output of at most m, which costs the smallest y with
g(y) >= m: at most x. The roundings agree: towards an output, Uniswap's price moves to the first grid point that gives
it, no farther than x has moved it, and the input counted there is what x was enough for (SwapMath.computeSwapStep,
SqrtPriceMath.getNextSqrtPriceFromOutput).

The vault has no exact output through two pools. Such a sale is cut instead, to the size whose part of the minimum is
needed. As g is concave, the smaller sale returns at least its part; what it returns above that stays idle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import UINT256_MAX
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import PlanningContext, buffer_of
from keeper.planning.fills import Fill
from keeper.planning.partial_fills import IMPACT_UNIT, impact, partial_fill
from keeper.planning.steps import swap, swap_for


def with_exact_output(candidate: CandidatePlan, context: PlanningContext) -> CandidatePlan:
    """The same candidate of an emergency, unless its sales clear the debt and certainly return more than that and the
    cash which is to stay idle.

    What is withdrawn and not sold stays idle: without debt there is no health factor to keep, and the next rebalance
    supplies it. A rebalance never has more than the cash that its goal asks for, so this is only for an emergency.
    """
    sales = [fill for fill in candidate.fills if fill.trade.buy == context.cash]
    book = context.book()
    repays_all = any(step.kind is StepKind.REPAY and step.amount == UINT256_MAX for step in candidate.steps)
    if not sales or (book.owed and not repays_all) or any(fill.sells_balance for fill in sales):
        return candidate
    certain = sum(fill.min_out for fill in sales)
    # Cash that stays for the buffer and for redemptions need not be raised by a later sale.
    stays_idle = buffer_of(context.snapshot, context.policy) + context.queued
    due = book.owed + candidate.premium + stays_idle
    needed = max(0, due - context.snapshot.holdings[0].idle)
    if needed >= certain:
        return candidate
    parts = zip(sales, _parts(sales, needed), strict=True)
    exact = [
        _exact(fill, out, context.snapshot) if len(fill.route.fees) == 1 else _cut(fill, out)
        for fill, out in parts
    ]
    return replace(
        candidate,
        steps=tuple(_steps(candidate.steps, exact, sells=needed > 0)),
        fills=tuple(fill for fill in exact if fill.amount_out),
    )


def _parts(sales: Sequence[Fill], needed: int) -> Iterator[int]:
    """``needed`` in proportion to each sale's minimum output, and never more than that. Differences of rounded partial
    sums are off by less than a unit."""
    sums = list(accumulate((fill.min_out for fill in sales), initial=0))
    return (needed * after // sums[-1] - needed * before // sums[-1] for before, after in pairwise(sums))


def _cut(fill: Fill, out: int) -> Fill:
    """The sale of the size whose part of the minimum is ``out``, rounded up."""
    if out == 0:
        return replace(fill, amount_out=0)
    return partial_fill(fill, 0, -(-fill.trade.amount_in * out // fill.min_out))


def _exact(fill: Fill, out: int, snapshot: MarketSnapshot) -> Fill:
    """The fill as far as ``out`` raw of it."""
    paid = _expected_in(fill, out)
    share = paid / fill.trade.amount_in
    after_fees_usd = snapshot.value_usd(fill.trade.sell, paid) - fill.fees_usd * share
    return replace(
        fill,
        trade=replace(fill.trade, amount_in=paid, value_usd=fill.trade.value_usd * share),
        amount_out=out,
        min_out=out,
        fees_usd=fill.fees_usd * share,
        impact_usd=after_fees_usd - snapshot.value_usd(fill.trade.buy, out),
    )


def _expected_in(fill: Fill, out: int) -> int:
    """What ``out`` raw costs along the parabola of ``keeper.planning.partial_fills``, ``out = whole s (1 + lost (1 -
    s))`` for the share ``s`` of the amount sold: its smaller root, rounded up."""
    lost = Fraction(impact(fill), IMPACT_UNIT)
    part = Fraction(out, fill.amount_out)
    below = (1 + lost) ** 2 - 4 * lost * part
    root = Fraction(math.isqrt(below.numerator * below.denominator), below.denominator)
    return min(fill.trade.amount_in, math.ceil(fill.trade.amount_in * 2 * part / (1 + lost + root)))


def _steps(steps: Sequence[Step], exact: Sequence[Fill], *, sells: bool) -> Iterator[Step]:
    """``exact`` in place of the sales, in their order. Where nothing need be sold, only what repays."""
    sales = iter(exact)
    for step in steps:
        if step.route is None:
            if sells or step.kind is StepKind.REPAY:
                yield step
            continue
        fill = next(sales)
        if fill.amount_out and len(step.route.fees) > 1:
            yield swap(fill)
        elif fill.amount_out:
            symbol, out = fill.trade.buy, fill.amount_out
            yield swap_for(symbol, out, step.route, max_in=step.amount, expected_in=fill.trade.amount_in)

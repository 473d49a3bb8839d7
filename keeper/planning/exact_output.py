"""Sales that repay all debt, asked for exactly what is owed.

Sales of a given size must count at the least that each returns. Where they clear the debt, all the slippage that was
allowed for is sold beside it, and lies idle. What must be paid is known to the unit, though: so the pools are asked for
that, and may take at most what would have been sold.

**That is never less certain to go through.** A pool's output g grows with its input, and a sale of x for at least m
goes through where g(x) >= m. Its part here is an output of at most m, which costs the least y with g(y) >= m: at most
x. The roundings agree: towards an output, Uniswap's price moves to the first grid point that gives it, no farther than
x has moved it, and the input counted there is what x was enough for (SwapMath.computeSwapStep,
SqrtPriceMath.getNextSqrtPriceFromOutput). Along a path each hop's input is the output asked of the hop before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import usd
from keeper.planning.fills import Fill
from keeper.planning.funding import idle_buffer, interest
from keeper.planning.way import Way
from keeper.sizing.redemptions import queued_share


def with_exact_output(way: Way, decision: Decision, snapshot: MarketSnapshot, policy: Policy) -> Way:
    """A RIPCORD's way around one flash loan or without any; the same way, unless its sales clear the debt and certainly
    return more than that and the cash which is to lie idle afterwards.

    What is withdrawn and not sold lies idle: without debt there is no health factor to keep, and the next rebalance
    supplies it. A planned trade sells what its goal is above, at the feeds' prices, and must return less than that: it
    never certainly has more than the cash that its goal wants.
    """
    sales = [fill for fill in way.fills if fill.trade.buy == snapshot.debt_token.symbol]
    owed = snapshot.holdings[0].owed
    if decision.action is not Action.RIPCORD or not sales or way.funded.debt_after(owed):
        return way
    certain = sum(fill.min_out for fill in sales)
    due = owed + interest(owed) + way.funded.premium
    needed = max(0, due + _stays_idle(snapshot, policy) - snapshot.holdings[0].idle)
    if needed >= certain:
        return way
    exact = [_exact(fill, out, snapshot) for fill, out in zip(sales, _parts(sales, needed), strict=True)]
    return Way(
        steps=tuple(_steps(way.steps, exact, snapshot, sells=needed > 0)),
        funded=replace(way.funded, spare=way.funded.spare - (certain - needed)),
        fills=tuple(fill for fill in exact if fill.amount_out),
        collateral=way.collateral if needed else {},
        left_usd=way.left_usd,
    )


def _stays_idle(snapshot: MarketSnapshot, policy: Policy) -> int:
    """The buffer, and what the redemption queue waits for: sold now, it need not be later."""
    nav_usd = portfolio(snapshot).nav_usd
    stays_usd = nav_usd * (1.0 - queued_share(snapshot, nav_usd))
    queued = 0 if snapshot.redemptions is None else snapshot.redemptions.value
    return idle_buffer(stays_usd, policy.size.idle_buffer, snapshot) + queued


def _parts(sales: Sequence[Fill], needed: int) -> Iterator[int]:
    """``needed`` in proportion to what each certainly returns, none asked for more than that: differences of rounded
    partial sums are off by less than a unit."""
    certain = sum(fill.min_out for fill in sales)
    sums = [0]
    for fill in sales:
        sums.append(sums[-1] + fill.min_out)
    return (needed * after // certain - needed * before // certain for before, after in pairwise(sums))


def _exact(fill: Fill, out: int, snapshot: MarketSnapshot) -> Fill:
    """The fill as far as ``out`` raw of it."""
    paid = _expected_in(fill, out)
    share = paid / fill.trade.amount_in
    sold, bought = snapshot.token(fill.trade.sell), snapshot.token(fill.trade.buy)
    paid_usd = usd(paid, sold.decimals, snapshot.price(sold.symbol))
    got_usd = usd(out, bought.decimals, snapshot.price(bought.symbol))
    fees_usd = fill.fees_usd * share
    return replace(
        fill,
        trade=replace(fill.trade, amount_in=paid, value_usd=fill.trade.value_usd * share),
        amount_out=out,
        min_out=out,
        fees_usd=fees_usd,
        impact_usd=paid_usd - fees_usd - got_usd,
    )


def _expected_in(fill: Fill, out: int) -> int:
    """What ``out`` raw costs along the parabola of ``keeper.planning.parts``, ``out = whole s (1 + lost (1 - s))`` for
    the share ``s`` of the amount sold: its smaller root, rounded up."""
    kept_usd = fill.trade.value_usd - fill.fees_usd - fill.impact_usd
    lost = Fraction(max(0.0, fill.impact_usd) / kept_usd) if kept_usd > 0 else Fraction(0)
    part = Fraction(out, fill.amount_out)
    below = (1 + lost) ** 2 - 4 * lost * part
    root = Fraction(math.isqrt(below.numerator * below.denominator), below.denominator)
    return min(fill.trade.amount_in, math.ceil(fill.trade.amount_in * 2 * part / (1 + lost + root)))


def _steps(
    steps: Sequence[Step], exact: Sequence[Fill], snapshot: MarketSnapshot, *, sells: bool
) -> Iterator[Step]:
    """``exact`` in place of the sales, in their order; where nothing need be sold, only what repays."""
    cash = snapshot.debt_token.symbol
    left = iter(exact)
    for step in steps:
        if step.route is None:
            if sells or step.kind is StepKind.REPAY:
                yield step
            continue
        fill = next(left)
        if fill.amount_out:
            out = fill.amount_out
            yield Step(StepKind.SWAP_EXACT_OUT, cash, out, step.amount, step.route, fill.trade.amount_in, out)

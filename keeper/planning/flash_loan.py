"""The candidate plan around one flash loan, which stands in for what comes in only later. Its steps have a fixed order:
repay what collateral cannot be withdrawn without, withdraw, swap into the debt token, swap between assets, swap out of
the debt token, supply, then borrow or repay the rest. Where no step needs a loan there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.domain.market import MarketSnapshot
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import PlanningContext
from keeper.planning.draft import PlanDraft
from keeper.planning.feasibility import worth_supplying
from keeper.planning.fills import Fill
from keeper.planning.steps import swap

PASSES = 8
"""Attempts to fund the redemption reserve. One is enough but for the flash loan's premium, which changes with it."""


@dataclass(frozen=True, slots=True)
class Funding:
    """How the debt token flows, raw. ``repay_first`` is before collateral is withdrawn, ``borrow`` or ``repay_last``
    is after everything is supplied."""

    flash: int
    premium: int
    repay_first: int
    borrow: int
    repay_last: int


@dataclass(frozen=True, slots=True)
class CashFlow:
    """What the fills do to the debt token, raw. ``earned`` counts sales at their minimum output. ``repaid_first`` must
    be repaid before collateral can be withdrawn."""

    context: PlanningContext
    spent: int
    earned: int
    repaid_first: int

    def funded(self, buffer: int) -> Funding:
        """The smallest flash loan that carries the fills, and what the debt does to settle it.

        ``buffer`` stays idle, and is borrowed where it is missing. Sales alone leave what they return of it. A
        deleverage never borrows: its flash loan covers at most what the sales certainly return. Up to ``dust`` is taken
        from the buffer rather than borrowed, or left rather than repaid.
        """
        idle, dust = self.context.snapshot.holdings[0].idle, self.context.dust
        on_hand = idle - buffer
        missing = self.repaid_first + self.spent - on_hand - self.earned
        spares = idle - self.context.reserved - missing
        if 0 < missing <= dust and self.repaid_first + self.spent <= spares:
            on_hand += missing
        funding = self._settled(on_hand, self.repaid_first)
        reserved = self.context.reserved
        if funding.borrow and self.context.sells_only and buffer > reserved:
            return self.funded(max(reserved, buffer - funding.borrow))
        if funding.borrow and (self.context.deleverages or self.context.sells_only):
            funding = self._settled(on_hand, max(0, self.repaid_first - funding.borrow))
        owed = self.context.book().owed - funding.repay_first
        return replace(funding, repay_last=self.context.repayment_of(funding.repay_last, owed))

    def _settled(self, on_hand: int, repay_first: int) -> Funding:
        """``on_hand`` is below 0 by what the buffer lacks."""
        usable = max(0, on_hand)
        flash = max(0, repay_first - usable, repay_first + self.spent - usable - self.earned)
        premium = self.context.lender.premium(flash)
        left = on_hand - repay_first + self.earned - self.spent - premium
        repay_last = max(0, min(left, self.context.book().owed - repay_first))
        return Funding(flash, premium, repay_first, borrow=max(0, -left), repay_last=repay_last)


def around_flash_loan(fills: Sequence[Fill], context: PlanningContext) -> CandidatePlan:
    """Leaves idle what redemptions wait for, as far as the health factor at the end keeps the policy's
    floor. Raises NothingFeasible where a step cannot be written."""
    withdrawn = _withdrawn(fills, context)
    cash_flow = CashFlow(
        context=context,
        spent=sum(fill.trade.amount_in for fill in fills if fill.trade.sell == context.cash),
        earned=sum(fill.min_out for fill in fills if fill.trade.buy == context.cash),
        repaid_first=context.book().repayment_before(withdrawn, context.min_health_factor.sized_for),
    )
    funding = _with_reserve(cash_flow, fills, withdrawn)
    draft = PlanDraft(context, context.book(funding.flash), context.min_health_factor.sized_for)
    draft.repay(funding.repay_first)
    for symbol, amount in withdrawn.items():
        draft.withdraw(symbol, amount)
    # Into the debt token first, out of it last.
    for fill in sorted(
        fills, key=lambda fill: (fill.trade.sell == context.cash, fill.trade.buy != context.cash)
    ):
        draft.swap(swap(fill))
    for symbol in context.snapshot.risk_symbols:
        if symbol not in withdrawn and not context.deleverages:
            draft.supply(symbol)
    if funding.borrow:
        draft.borrow(funding.borrow)
    draft.repay(funding.repay_last)
    return CandidatePlan(tuple(draft.steps), funding.flash, funding.premium, fills=tuple(fills))


def missing_collateral(fills: Sequence[Fill], snapshot: MarketSnapshot) -> dict[str, int]:
    """What is sold beyond what is idle and bought, raw by symbol."""
    missing = {holding.symbol: -holding.idle for holding in snapshot.holdings[1:]}
    for fill in fills:
        if fill.trade.sell in missing:
            missing[fill.trade.sell] += fill.trade.amount_in
        if fill.trade.buy in missing:
            missing[fill.trade.buy] -= fill.amount_out
    return {symbol: amount for symbol, amount in missing.items() if amount > 0}


def _withdrawn(fills: Sequence[Fill], context: PlanningContext) -> dict[str, int]:
    """What must leave the lending market, raw by symbol, in the order in which it leaves. Collateral that blocks other
    withdrawals (loan to value 0 on Aave) leaves first and whole. What is not sold of it stays idle."""
    snapshot, book = context.snapshot, context.book()
    withdrawn = missing_collateral(fills, snapshot)
    first = book.must_leave_first()
    if not any(symbol not in first for symbol in withdrawn):
        return withdrawn
    return {symbol: book.supplied[symbol] for symbol in first} | {
        symbol: amount for symbol, amount in withdrawn.items() if symbol not in first
    }


def _with_reserve(cash_flow: CashFlow, fills: Sequence[Fill], withdrawn: Mapping[str, int]) -> Funding:
    """With what redemptions wait for left idle, or as much of it as keeps the health factor at the policy's floor, and
    not less than the vault reserves. Sales count at their minimum and a trade may be cut short, so the rest can be for
    the next cycle."""
    context = cash_flow.context
    if context.deleverages:
        return _within_target(cash_flow.funded(context.reserved), withdrawn, context)
    certain = max(0, context.reserved - context.idle_buffer)
    queued, floor = max(certain, context.queued), context.policy.size.min_health_factor
    funding = cash_flow.funded(context.idle_buffer + queued)
    supplied = _supplied_after(fills, withdrawn, context) if queued else {}
    for _ in range(PASSES):
        if queued <= certain:
            break
        owed = context.book().owed - funding.repay_first - funding.repay_last + funding.borrow
        excess = max(0, owed - context.venue.debt_at(supplied, floor)) if math.isfinite(floor) else owed
        if 0 < funding.borrow <= context.dust:
            excess = max(excess, funding.borrow)
        if excess == 0:
            break
        # A repayment of no more than dust would not be made.
        queued = max(certain, queued - max(excess, context.dust + 1))
        funding = cash_flow.funded(context.idle_buffer + queued)
    return funding


def _within_target(funding: Funding, withdrawn: Mapping[str, int], context: PlanningContext) -> Funding:
    book = context.book()
    supplied = {symbol: amount - withdrawn.get(symbol, 0) for symbol, amount in book.supplied.items()}
    owed = book.owed - funding.repay_first
    repayable = context.repayable(supplied, owed)
    return replace(funding, repay_last=context.repayment_of(min(funding.repay_last, repayable), owed))


def _supplied_after(
    fills: Sequence[Fill], withdrawn: Mapping[str, int], context: PlanningContext
) -> dict[str, int]:
    """Collateral at the end, raw by symbol, if every swap returns what is expected."""
    book = context.book()
    left = dict(book.idle)
    for symbol, amount in withdrawn.items():
        book.supplied[symbol] -= amount
        left[symbol] += amount
    for fill in fills:
        left[fill.trade.sell] -= fill.trade.amount_in
        left[fill.trade.buy] += fill.amount_out
    bought = {fill.trade.buy for fill in fills}
    for symbol in context.snapshot.risk_symbols:
        if symbol in withdrawn or left[symbol] <= 0:
            continue
        if symbol in bought or worth_supplying(left[symbol], symbol, context.snapshot):
            book.supplied[symbol] += left[symbol]
    return book.supplied

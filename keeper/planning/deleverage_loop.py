"""Less debt without a flash loan: withdraw, sell, repay with the proceeds, withdraw what that set free, and so on.

Each round withdraws as much as the minimum health factor allows. What is not reached within MAX_ROUNDS is left to later
cycles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from keeper.domain.errors import NothingFeasible
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import PlanningContext
from keeper.planning.draft import PlanDraft
from keeper.planning.fills import Fill
from keeper.planning.partial_fills import partial_fill, partial_swap

MAX_ROUNDS = 8
"""Each takes a withdrawal and a swap of every asset sold, and a repayment: up to some 0.3 M gas an asset."""
MIN_PART = Fraction(1, 1000)
"""A round that sells less than this part of what is left ends the loop."""


def deleverage_loop(sales: Sequence[Fill], context: PlanningContext) -> CandidatePlan:
    """As much of ``sales``, all into the debt token, as can be made. Idle cash repays first; what redemptions wait for
    stays idle unless it is an emergency. Idle tokens are sold before collateral is withdrawn. Raises
    NothingFeasible where nothing can be sold so."""
    minimum = context.min_health_factor
    draft = PlanDraft(context, context.book(), minimum.sized_for)
    left = [fill.trade.amount_in for fill in sales]
    kept = context.reserved if context.emergency else max(context.queued, context.reserved)
    _repay(draft, kept)
    for _ in range(MAX_ROUNDS):
        part = _sellable_part(draft, sales, left)
        if part < MIN_PART:
            break
        for place, fill in enumerate(sales):
            amount = math.floor(left[place] * part)
            missing = amount - draft.book.idle[fill.trade.sell]
            if missing > 0:
                draft.withdraw(fill.trade.sell, missing)
            if amount:
                draft.swap(partial_swap(fill, fill.trade.amount_in - left[place], amount))
                left[place] -= amount
        _repay(draft, kept)
        if not any(left):
            break
    fills = tuple(
        partial_fill(fill, 0, fill.trade.amount_in - unsold)
        for fill, unsold in zip(sales, left, strict=True)
        if unsold < fill.trade.amount_in
    )
    if not fills:
        raise NothingFeasible(
            f"without a flash loan nothing can be sold at health factor {context.held.health_factor:.3f}: it may not "
            f"fall below {minimum.enforced:.3f} on the way",
            remedy="Deposit cash into the vault, or wait until the lending market gives a flash loan.",
        )
    return CandidatePlan(tuple(draft.steps), flash=0, premium=0, fills=fills)


def _repay(draft: PlanDraft, kept: int) -> None:
    book, context = draft.book, draft.context
    spare = min(book.idle[context.cash] - kept, context.repayable(book.supplied, book.owed))
    draft.repay(context.repayment_of(spare, book.owed))


def _sellable_part(draft: PlanDraft, sales: Sequence[Fill], left: Sequence[int]) -> Fraction:
    """The part of what is left to sell that may be withdrawn now."""
    leaving = dict.fromkeys(draft.book.supplied, 0)
    for fill, unsold in zip(sales, left, strict=True):
        leaving[fill.trade.sell] += unsold
    leaving = {symbol: max(0, amount - draft.book.idle[symbol]) for symbol, amount in leaving.items()}
    if not any(left):
        return Fraction(0)
    return draft.book.withdrawable_part(leaving, draft.min_health_factor)

"""The candidate plans of one decision: around one flash loan, and swap by swap with a loan of several sizes, as matched
and through the hub. An emergency without a flash loan deleverages in a loop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

from keeper.domain.errors import NothingFeasible
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import PlanningContext
from keeper.planning.fills import Fill
from keeper.planning.flash_loan import around_flash_loan, missing_collateral
from keeper.planning.hub_routing import hub_fills
from keeper.planning.netting import Trade
from keeper.planning.sequential import sequential
from keeper.planning.split import Answers
from keeper.planning.turnover import PART_FOR_DETOURS, counted_usd, turnover_left_usd

MAX_HUB_CANDIDATES = 2
"""Those whose swaps alone cost least: what debt and collateral cost is much the same for all."""
PARTS_OF_LOAN = (0.0, 0.25, 0.5, 1.0)
"""Of the flash loan that carries all fills."""


def matched_plans(fills: Sequence[Fill], context: PlanningContext) -> Iterator[CandidatePlan]:
    """The candidates of a rebalance that make the trades as they are matched."""
    with suppress(NothingFeasible):
        yield around_flash_loan(fills, context)
    yield from _swap_by_swap(fills, context)


def hub_plans(
    trades: Sequence[Trade], answers: Answers, context: PlanningContext, *, matched: Sequence[Fill] | None
) -> Iterator[CandidatePlan]:
    """The candidates of a rebalance that make the same ``trades`` through the hub. ``matched`` are their fills as they
    are matched, None where a pool refuses one of them."""
    for fills in hub_candidates(trades, answers, context, matched=matched):
        yield from _swap_by_swap(fills, context)


def _swap_by_swap(fills: Sequence[Fill], context: PlanningContext) -> Iterator[CandidatePlan]:
    if not fills or context.queued:
        # Only the plan around a flash loan can fund the redemption reserve.
        return
    for flash in _loans(fills, context):
        with suppress(NothingFeasible):
            yield sequential(fills, context, flash)


def hub_candidates(
    trades: Sequence[Trade], answers: Answers, context: PlanningContext, *, matched: Sequence[Fill] | None
) -> list[tuple[Fill, ...]]:
    """The cheapest routings through the hub that the turnover budget allows: all of it where nothing else carries the
    trades."""
    most = turnover_left_usd(context)
    if matched is not None:
        most = max(most * PART_FOR_DETOURS, counted_usd(matched))
    affordable = [fills for fills in hub_fills(trades, answers, context) if counted_usd(fills) <= most]
    costs = context.swap_terms.costs
    return sorted(
        affordable,
        key=lambda fills: math.fsum(fill.fees_usd + fill.impact_usd + costs.of(fill.route) for fill in fills),
    )[:MAX_HUB_CANDIDATES]


def _loans(fills: Sequence[Fill], context: PlanningContext) -> Iterator[int]:
    """No flash loan. The one that carries all fills in this order, and parts of it. The one that carries them beside
    all that can be borrowed beforehand."""
    whole = _carrying_loan(fills, context)
    sizes = [int(whole * part) for part in PARTS_OF_LOAN]
    if whole:
        minimum = context.min_health_factor.sized_for
        sizes.append(max(0, whole - context.book().borrowable(minimum)))
    yield from dict.fromkeys(sizes)


def _carrying_loan(fills: Sequence[Fill], context: PlanningContext) -> int:
    """So that all collateral that is to leave can leave at once, and every swap out of the debt token finds its amount
    there."""
    book, cash = context.book(), context.cash
    missing = missing_collateral(fills, context.snapshot)
    leaving = {symbol: min(book.supplied[symbol], amount) for symbol, amount in missing.items()}
    due = book.repayment_before(leaving, context.min_health_factor.sized_for)
    peak = due
    for fill in fills:
        due += fill.trade.amount_in if fill.trade.sell == cash else 0
        peak = max(peak, due)
        due -= fill.min_out if fill.trade.buy == cash else 0
    return max(0, peak - book.idle[cash])

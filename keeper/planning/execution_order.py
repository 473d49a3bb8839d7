"""The fills of all trades of a plan in the order of its swaps, each priced in the pools as the earlier ones leave
them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.plan import Route
from keeper.oracle.vault_rules import call_limits, repaying_cash
from keeper.planning.context import PlanningContext
from keeper.planning.feasibility import refuse_if, withdraw_obstacle
from keeper.planning.fills import Fill, SwapTerms, best_fills, guarded
from keeper.planning.gas import max_further_parts
from keeper.planning.netting import Trade
from keeper.planning.quotes import routes
from keeper.planning.shared_pools import after_others, entering, shared_hops
from keeper.planning.split import MAX_PARTS, Answers, Hop, ladder


def fills_of(trades: Sequence[Trade], answers: Answers, context: PlanningContext) -> tuple[Fill, ...]:
    """``trades`` in the order of the swaps. A trade is split at most as far as a block has gas for.

    Raises NothingFeasible for the first trade that cannot be made. A deleverage makes as much of it as it can, of the
    sizes that were quoted; it raises the first refusal where nothing is left and no idle cash could repay instead. Its
    minimum outputs are near the quotes, because its transaction is seen in the public mempool. So are those of sales at
    prices that are not trusted.
    """
    snapshot, policy = context.snapshot, context.policy
    candidates = _candidates(trades, answers, context)
    # As the quotes were asked for: of all routes.
    shared = shared_hops([(trade, tuple(routes(trade, snapshot))) for trade in trades], snapshot)
    further = max_further_parts(snapshot.block, policy.plan, len(trades))
    passed: dict[Hop, int] = {}
    filled: list[Fill] = []
    refused: list[NothingFeasible] = []
    for trade, routes_of_trade in candidates:
        alone = {route: answers[route] for route in routes_of_trade if route in answers}
        quoted = after_others(alone, passed, shared, answers=answers)
        max_parts = min(MAX_PARTS, 1 + further)
        try:
            if context.deleverages:
                _require_withdrawable(trade, snapshot)
            fills = best_fills(trade, quoted, context.swap_terms, max_parts=max_parts)
        except NothingFeasible as refusal:
            if not context.deleverages:
                raise
            refused.append(refusal)
            fills = _largest_part(trade, quoted, context, max_parts=max_parts)
        filled += fills
        further -= max(0, len(fills) - 1)
        for fill in fills:
            for hop, amount in entering(fill.route, fill.trade.amount_in, snapshot).items():
                passed[hop] = passed.get(hop, 0) + amount
    if refused and not filled and not idle_repays(context):
        raise refused[0]
    return tuple(
        guarded(fill, policy.plan.public_tolerance_bps)
        if context.deleverages or not _is_trusted(fill.trade, snapshot)
        else fill
        for fill in filled
    )


def _candidates(
    trades: Sequence[Trade], answers: Answers, context: PlanningContext
) -> list[tuple[Trade, tuple[Route, ...]]]:
    """Each trade with its routes. The vault counts every hop as sold. Where its limit does not allow to sell everything
    twice, a trade that one direct pool can carry takes a direct pool."""
    snapshot = context.snapshot
    left = call_limits(snapshot, lowering=context.deleverages).turnover * context.held.nav_usd
    direct = {
        trade: tuple(route for route in routes(trade, snapshot) if len(route.fees) == 1 and route in answers)
        for trade in trades
    }
    carried = [
        trade for trade in trades if _is_carried(trade, direct[trade], answers, terms=context.swap_terms)
    ]
    scarce = 2.0 * math.fsum(trade.value_usd for trade in trades) > left
    return [
        (trade, direct[trade] if scarce and trade in carried else tuple(routes(trade, snapshot)))
        for trade in trades
    ]


def _is_carried(trade: Trade, direct: Sequence[Route], answers: Answers, terms: SwapTerms) -> bool:
    """Whether one of the pools returns enough for the whole trade."""
    for route in direct:
        quote = answers[route].get(trade.amount_in)
        minimum = terms.minimum_price(route).out(trade.amount_in)
        if quote is not None and quote.amount_out is not None and quote.amount_out >= minimum:
            return True
    return False


def _is_trusted(trade: Trade, snapshot: MarketSnapshot) -> bool:
    return all(
        snapshot.feeds[snapshot.index(symbol)].trust is Trust.FRESH for symbol in (trade.sell, trade.buy)
    )


def idle_repays(context: PlanningContext) -> bool:
    """Whether idle cash lowers the debt without a sale."""
    book, spare = context.book(), repaying_cash(context.snapshot, context.policy.plan.dust_usd)
    return context.repayment_of(min(spare, context.repayable(book.supplied, book.owed))) > 0


def _largest_part(
    trade: Trade, quoted: Answers, context: PlanningContext, max_parts: int
) -> tuple[Fill, ...]:
    """Empty where not even the smallest size can be withdrawn and sold."""
    for size in reversed(ladder(trade.amount_in)[:-1]):
        with suppress(NothingFeasible):
            _require_withdrawable(trade.part(size), context.snapshot)
            return best_fills(trade.part(size), quoted, context.swap_terms, max_parts=max_parts)
    return ()


def _require_withdrawable(trade: Trade, snapshot: MarketSnapshot) -> None:
    missing = max(0, trade.amount_in - snapshot.holding(trade.sell).idle)
    obstacle = withdraw_obstacle(trade.sell, missing, snapshot) if missing else None
    refuse_if(f"WITHDRAW of {trade.sell}", obstacle)

"""The fills of all trades of a plan in the order of its swaps, each priced in the pools as the earlier ones leave
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.oracle.vault_rules import repaying_cash
from keeper.planning.context import PlanningContext
from keeper.planning.feasibility import refuse_if, withdraw_obstacle
from keeper.planning.fills import Fill, are_trusted, best_fills, guarded
from keeper.planning.gas import max_further_parts
from keeper.planning.hop_bounds import within_hop_bounds
from keeper.planning.netting import Trade
from keeper.planning.quotes import routes
from keeper.planning.shared_pools import after_others, entering, shared_hops
from keeper.planning.split import MAX_PARTS, Answers, Hop, ladder
from keeper.planning.turnover import counted_usd, turnover_for_fills_usd

DETOUR_PRICES = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 1.0)
"""What a second pool on the way must save, as a part of the value that passes through it: the dual price of turnover
(Boyd and Vandenberghe, Convex Optimization, section 5.6). At 1 it takes only what no direct pool carries."""


def fills_of(trades: Sequence[Trade], answers: Answers, context: PlanningContext) -> tuple[Fill, ...]:
    """``trades`` in the order of the swaps. A trade is split at most as far as a block has gas for.

    The vault counts what enters every pool as sold. Where the trades together would use too much of what it allows
    now, a second pool on the way must save the more, until what is left of it suffices.

    Raises NothingFeasible for the first trade that cannot be made. A deleverage makes as much of it as it can, of the
    sizes that were quoted; it raises the first refusal where nothing is left and no idle cash could repay instead. Its
    minimum outputs are near the quotes, because its transaction is seen in the public mempool. So are those of sales at
    prices that are not trusted.
    """
    asked = _asked(trades, answers, context.snapshot)
    most = turnover_for_fills_usd(context)
    fills: tuple[Fill, ...] = ()
    refusals: list[NothingFeasible] = []
    for price in DETOUR_PRICES:
        terms = replace(context.swap_terms, detour_price=price)
        try:
            fills = _fills(asked, replace(context, swap_terms=terms))
        except NothingFeasible as refusal:
            refusals.append(refusal)
            continue
        if counted_usd(fills) <= most:
            return fills
    if refusals and not fills:
        raise refusals[0]
    return fills


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the pools answered to the trades: of each the quotes of its own routes, as if it were alone, and the
    ``answers`` for the hops that several ``shared``."""

    alone: tuple[tuple[Trade, Answers], ...]
    shared: Mapping[Hop, int]
    answers: Answers


def _asked(trades: Sequence[Trade], answers: Answers, snapshot: MarketSnapshot) -> _Asked:
    # As the quotes were asked for: of all routes.
    candidates = [(trade, tuple(routes(trade, snapshot))) for trade in trades]
    alone = tuple(
        (trade, {route: answers[route] for route in of_trade if route in answers})
        for trade, of_trade in candidates
    )
    return _Asked(alone, shared_hops(candidates, snapshot), answers)


def _fills(asked: _Asked, context: PlanningContext) -> tuple[Fill, ...]:
    snapshot, policy = context.snapshot, context.policy
    further = max_further_parts(snapshot.block, policy.plan, len(asked.alone), by_safe=bool(snapshot.acts_as))
    passed: dict[Hop, int] = {}
    filled: list[Fill] = []
    refused: list[NothingFeasible] = []
    for trade, alone in asked.alone:
        quoted = after_others(alone, passed, asked.shared, answers=asked.answers)
        quoted = within_hop_bounds(quoted, asked.answers, context.swap_terms)
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
        if context.deleverages or not are_trusted((fill.trade.sell, fill.trade.buy), snapshot)
        else fill
        for fill in filled
    )


def idle_repays(context: PlanningContext) -> bool:
    """Whether idle cash lowers the debt without a sale."""
    book, spare = context.book(), repaying_cash(context.snapshot, context.policy.plan.dust_usd)
    return context.repayment_of(min(spare, context.repayable(book.supplied, book.owed)), book.owed) > 0


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

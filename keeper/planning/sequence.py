"""The fills of all trades of a plan in the order of its swaps, each in the pools as those before it leave them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote
from keeper.domain.policy import Policy
from keeper.domain.urgency import Urgency
from keeper.planning.fills import Fill, best_fills
from keeper.planning.gas import most_further_parts
from keeper.planning.netting import Trade
from keeper.planning.obstacles import refuse_if, withdraw_obstacle
from keeper.planning.quotes import routes
from keeper.planning.shared_pools import after_others, entering, shared_hops
from keeper.planning.split import MOST_PARTS, Hop, ladder


def fills_of(
    wanted: Sequence[Trade],
    quotes: Sequence[Quote],
    snapshot: MarketSnapshot,
    policy: Policy,
    urgency: Urgency,
    dust: int,
    *,
    only_possible: bool,
) -> tuple[Fill, ...]:
    """``wanted`` in the order of the swaps. A trade is split at most as far as a block has gas for.

    Raises NothingFeasible for the first trade that cannot be made; with ``only_possible`` as much of it is made as can
    be, of the sizes that were quoted, and the first refusal is raised when nothing is left and nothing idle (more than
    ``dust``) could repay instead.
    """
    answers = {(quote.route, quote.amount_in): quote for quote in quotes}
    by_ends: dict[tuple[str, str], list[Quote]] = {}
    for quote in quotes:
        by_ends.setdefault((quote.route.symbols[0], quote.route.symbols[-1]), []).append(quote)
    shared = shared_hops([(trade, tuple(routes(trade, snapshot))) for trade in wanted], snapshot)
    further = most_further_parts(snapshot.block.gas_limit, policy.plan.gas_limit_margin, len(wanted))
    passed: dict[Hop, int] = {}
    found: list[Fill] = []
    refused: list[NothingFeasible] = []
    for trade in wanted:
        best = partial(
            best_fills,
            quotes=after_others(by_ends.get((trade.sell, trade.buy), ()), passed, shared, answers),
            snapshot=snapshot,
            max_slippage_bps=policy.decision.at(urgency).max_slippage_bps,
            gas_symbol=policy.plan.gas_usd_price_symbol,
            most_parts=min(MOST_PARTS, 1 + further),
        )
        try:
            if only_possible:
                _require_withdrawable(trade, snapshot)
            fills = best(trade)
        except NothingFeasible as refusal:
            if not only_possible:
                raise
            refused.append(refusal)
            fills = _largest_part(trade, best, snapshot)
        found += fills
        further -= max(0, len(fills) - 1)
        for fill in fills:
            for hop, amount in entering(fill.route, fill.trade.amount_in, snapshot).items():
                passed[hop] = passed.get(hop, 0) + amount
    if refused and not found and not idle_repays(snapshot, dust):
        raise refused[0]
    return tuple(found)


def idle_repays(snapshot: MarketSnapshot, dust: int) -> bool:
    """Whether what lies idle lowers the debt without a sale."""
    cash = snapshot.holdings[0]
    return min(cash.idle, cash.owed) > dust


def _largest_part(
    trade: Trade, best: Callable[[Trade], tuple[Fill, ...]], snapshot: MarketSnapshot
) -> tuple[Fill, ...]:
    """Nothing where not even the smallest size can be withdrawn and sold."""
    for size in reversed(ladder(trade.amount_in)[:-1]):
        part = replace(trade, amount_in=size, value_usd=trade.value_usd * size / trade.amount_in)
        try:
            _require_withdrawable(part, snapshot)
            return best(part)
        except NothingFeasible:
            continue
    return ()


def _require_withdrawable(trade: Trade, snapshot: MarketSnapshot) -> None:
    needed = max(0, trade.amount_in - snapshot.holding(trade.sell).idle)
    obstacle = withdraw_obstacle(trade.sell, needed, snapshot) if needed else None
    refuse_if(f"WITHDRAW of {trade.sell}", obstacle)

"""Several ways to carry a decision out: which pools the swaps go through, and how much of them a flash loan carries.
All are complete; the cheapest is taken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS
from keeper.planning.collateral import MARGIN, room_to_borrow
from keeper.planning.fills import Fill
from keeper.planning.funding import interest, repayment_first
from keeper.planning.gas import swap_usd
from keeper.planning.hub_routing import through_the_hub
from keeper.planning.in_turn import in_turn
from keeper.planning.netting import Trade
from keeper.planning.way import Way

MOST_HUB_WAYS = 2
"""Those whose swaps alone cost least: what debt and collateral cost is much the same for all."""
PARTS_OF_A_LOAN = (0.0, 0.25, 0.5, 1.0)
"""Of the one that carries everything."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What every way keeps to: ``buffer`` raw of the debt asset idle in the end, no health factor below ``least`` on
    the way, nothing moved for ``dust`` raw of the debt asset; and what swaps are judged by."""

    snapshot: MarketSnapshot
    buffer: int
    dust: int
    least: float
    max_slippage_bps: int
    gas_symbol: str


def ways(
    fills: Sequence[Fill], wanted: Sequence[Trade], quotes: Sequence[Quote], terms: Terms
) -> Iterator[Way]:
    """``fills`` are those of the ``wanted`` trades, matched; besides them the same through the hub."""
    hub = through_the_hub(wanted, quotes, terms.snapshot, terms.max_slippage_bps, terms.gas_symbol)
    affordable = [found for found in hub if _within_turnover(found, terms.snapshot)]
    cheapest = sorted(affordable, key=lambda found: _swaps_usd(found, terms))[:MOST_HUB_WAYS]
    for chosen in (tuple(fills), *cheapest):
        for flash in _loans(chosen, terms):
            with suppress(NothingFeasible):
                yield in_turn(chosen, terms.snapshot, terms.buffer, terms.dust, terms.least, flash)


def _within_turnover(fills: Sequence[Fill], snapshot: MarketSnapshot) -> bool:
    """What passes through the hub is sold twice. Not for more than half of what the vault's day has left."""
    vault, nav_usd = snapshot.vault, portfolio(snapshot).nav_usd
    left = vault.policy.max_daily_turnover_bps / BPS - vault.used_daily_turnover
    return math.fsum(fill.trade.value_usd for fill in fills) <= nav_usd * left / 2.0


def _swaps_usd(fills: Sequence[Fill], terms: Terms) -> float:
    return math.fsum(
        fill.fees_usd + fill.impact_usd + swap_usd(fill.route, terms.snapshot, terms.gas_symbol)
        for fill in fills
    )


def _loans(fills: Sequence[Fill], terms: Terms) -> Iterator[int]:
    """None; all that carries the fills whole in this order, or a part of it; what carries them beside all that the
    collateral lets be borrowed beforehand."""
    whole = _carrying_loan(fills, terms)
    found = [int(whole * part) for part in PARTS_OF_A_LOAN]
    if whole:
        supplied = {holding.symbol: holding.supplied for holding in terms.snapshot.holdings}
        found.append(
            max(
                0,
                whole
                - room_to_borrow(supplied, terms.snapshot.holdings[0].owed, terms.snapshot, terms.least),
            )
        )
    yield from dict.fromkeys(found)


def _carrying_loan(fills: Sequence[Fill], terms: Terms) -> int:
    """So that all collateral that is to leave can leave at once, and every swap out of the debt asset finds its
    amount there."""
    snapshot, cash = terms.snapshot, terms.snapshot.debt_token.symbol
    leaves: dict[str, int] = {}
    for holding in snapshot.holdings[1:]:
        sold = sum(fill.trade.amount_in for fill in fills if fill.trade.sell == holding.symbol)
        bought = sum(fill.amount_out for fill in fills if fill.trade.buy == holding.symbol)
        if sold > bought + holding.idle:
            leaves[holding.symbol] = min(holding.supplied, sold - bought - holding.idle)
    due = repayment_first(leaves, snapshot, terms.least / float(MARGIN) ** 2)
    if due == snapshot.holdings[0].owed:
        due += interest(due)
    most = due
    for fill in fills:
        due += fill.trade.amount_in if fill.trade.sell == cash else 0
        most = max(most, due)
        due -= fill.min_out if fill.trade.buy == cash else 0
    return max(0, most - snapshot.holdings[0].idle)

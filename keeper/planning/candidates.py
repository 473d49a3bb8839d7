"""A candidate plan: one way to carry the trades of a decision out in one call, and the vault after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import PostState, Step
from keeper.lending.book import LendingBook, after
from keeper.planning.context import PlanningContext
from keeper.planning.fills import Fill


@dataclass(frozen=True, slots=True)
class CandidatePlan:
    """``flash`` and its ``premium`` are raw of the debt token. ``fills`` are what the steps swap, ``unfilled_usd`` is
    the value of trades that they leave to later cycles."""

    steps: tuple[Step, ...]
    flash: int
    premium: int
    fills: tuple[Fill, ...]
    unfilled_usd: float = 0.0


def expected_book(candidate: CandidatePlan, context: PlanningContext) -> LendingBook:
    """Once all swaps have filled at their quotes, at the block's debt, and the flash loan is repaid."""
    book = after(LendingBook.at_block(context.snapshot, context.venue, candidate.flash), candidate.steps)
    book.idle[context.cash] -= candidate.flash + candidate.premium
    return book


def expected_state(candidate: CandidatePlan, context: PlanningContext) -> PostState:
    """Of ``expected_book``, at ``MarketSnapshot.price``. The health factor is the venue's own."""
    snapshot, book = context.snapshot, expected_book(candidate, context)
    values = [
        snapshot.value_usd(symbol, book.idle[symbol] + book.supplied[symbol]) for symbol in snapshot.symbols
    ]
    nav = math.fsum(values) - snapshot.value_usd(context.cash, book.owed)
    gross = math.fsum(values[1:])
    return PostState(
        nav_usd=nav,
        leverage=gross / nav if nav > 0 else 0.0,
        health_factor=book.health_factor(),
        weights=tuple(value / nav if nav > 0 else 0.0 for value in values[1:]),
    )


def net_changes(book: LendingBook, snapshot: MarketSnapshot) -> dict[str, int]:
    """What the vault has more than at the block, idle and supplied less owed, raw by symbol."""
    changes = {
        holding.symbol: book.idle[holding.symbol]
        + book.supplied[holding.symbol]
        - holding.idle
        - holding.supplied
        for holding in snapshot.holdings
    }
    changes[book.venue.debt_symbol] -= book.owed - snapshot.holdings[0].owed
    return changes

"""A candidate plan: one way to carry the trades of a decision out in one call, and the vault after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.domain.accounts import accounts
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import PostState, Step
from keeper.domain.units import health_factor_of
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
    """Of ``expected_book``, at ``MarketSnapshot.price``. The health factor is the venue's own. Accounts that the call
    leaves alone stay as they are."""
    snapshot, book = context.snapshot, expected_book(candidate, context)
    elsewhere = snapshot.elsewhere
    values = [
        snapshot.value_usd(symbol, book.idle[symbol] + book.supplied[symbol] + other.supplied)
        for symbol, other in zip(snapshot.symbols, elsewhere, strict=True)
    ]
    nav = math.fsum(values) - snapshot.value_usd(context.cash, book.owed + elsewhere[0].owed)
    gross = math.fsum(values[1:])
    factors = health_factors(snapshot, book.health_factor())
    return PostState(
        nav_usd=nav,
        leverage=gross / nav if nav > 0 else 0.0,
        health_factor=min(factors),
        health_factors=factors if snapshot.others else (),
        weights=tuple(value / nav if nav > 0 else 0.0 for value in values[1:]),
    )


def health_factors(snapshot: MarketSnapshot, shown: float) -> tuple[float, ...]:
    """Of all managed accounts in the vault's order, where the one that the snapshot shows has ``shown``."""
    return tuple(
        shown
        if account.venue.place == snapshot.venue.place
        else health_factor_of(account.account.health_factor)
        for account in accounts(snapshot)
    )


def place_of_lowest(snapshot: MarketSnapshot, state: PostState) -> int:
    """In the vault's list, of the account that is nearest to liquidation. There are several."""
    return accounts(snapshot)[state.health_factors.index(state.health_factor)].venue.place


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

"""A candidate plan: one way to carry the trades of a decision out in one call, and the vault after it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.accounts import accounts
from keeper.domain.market import LendingAccount, MarketSnapshot
from keeper.domain.plan import PostState, Step
from keeper.domain.units import health_factor_of
from keeper.lending.book import LendingBook
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


Books = Mapping[int, LendingBook]
"""By the account's place. All have the same idle part."""


def changed_places(candidate: CandidatePlan, context: PlanningContext) -> set[int]:
    """Of the accounts that a step changes, and of the one that the snapshot shows."""
    return {context.snapshot.venue.place, *(step.account for step in candidate.steps if step.route is None)}


def expected_books(candidate: CandidatePlan, context: PlanningContext) -> Books:
    """Once all swaps have filled at their quotes, at the block's debt, and the flash loan is repaid."""
    books = context.books(changed_places(candidate, context), candidate.flash, mined=False)
    shown = books[context.snapshot.venue.place]
    for step in candidate.steps:
        book = shown if step.route is not None else books[step.account]
        book.apply(step, as_expected=True)
    shown.idle[context.cash] -= candidate.flash + candidate.premium
    return books


def expected_state(candidate: CandidatePlan, context: PlanningContext) -> PostState:
    """Of ``expected_books``, at ``MarketSnapshot.price``. The health factor is the venue's own. Accounts that the call
    leaves alone stay as they are."""
    snapshot, books = context.snapshot, expected_books(candidate, context)
    idle, untouched = books[snapshot.venue.place].idle, _untouched(snapshot, books)
    values = [
        snapshot.value_usd(
            symbol,
            idle[symbol]
            + sum(book.supplied[symbol] for book in books.values())
            + sum(account.supplied[index] for account in untouched),
        )
        for index, symbol in enumerate(snapshot.symbols)
    ]
    owed = sum(book.owed for book in books.values()) + sum(account.owed[0] for account in untouched)
    nav = math.fsum(values) - snapshot.value_usd(context.cash, owed)
    gross = math.fsum(values[1:])
    factors = health_factors(snapshot, books)
    return PostState(
        nav_usd=nav,
        leverage=gross / nav if nav > 0 else 0.0,
        health_factor=min(factors),
        health_factors=factors if snapshot.others else (),
        weights=tuple(value / nav if nav > 0 else 0.0 for value in values[1:]),
    )


def health_factors(snapshot: MarketSnapshot, books: Books) -> tuple[float, ...]:
    """Of all managed accounts in the vault's order: of those that have no book, as they are."""
    return tuple(
        books[account.venue.place].health_factor()
        if account.venue.place in books
        else health_factor_of(account.account.health_factor)
        for account in accounts(snapshot)
    )


def _untouched(snapshot: MarketSnapshot, books: Books) -> list[LendingAccount]:
    return [account for account in accounts(snapshot) if account.venue.place not in books]


def place_of_lowest(snapshot: MarketSnapshot, state: PostState) -> int:
    """In the vault's list, of the account that is nearest to liquidation. There are several."""
    return accounts(snapshot)[state.health_factors.index(state.health_factor)].venue.place


def net_changes(books: Books, snapshot: MarketSnapshot) -> dict[str, int]:
    """What the vault has more than at the block, idle and supplied less owed, raw by symbol."""
    before = {account.venue.place: account for account in accounts(snapshot)}
    shown = books[snapshot.venue.place]
    changes = {
        holding.symbol: shown.idle[holding.symbol]
        - holding.idle
        + sum(book.supplied[holding.symbol] - before[place].supplied[index] for place, book in books.items())
        for index, holding in enumerate(snapshot.holdings)
    }
    changes[shown.venue.debt_symbol] -= sum(
        book.owed - before[place].owed[0] for place, book in books.items()
    )
    return changes

"""The book is never richer than the vault: with interest, with margins, with every swap at its limit."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.plan import Route, Step, StepKind
from keeper.domain.units import BPS, UINT256_MAX
from keeper.lending.aave import AaveV3
from keeper.lending.book import MARGIN, LendingBook
from keeper.lending.venues import vault_book
from keeper.planning import steps
from tests.factories import a_snapshot, with_holding
from tests.lending.books import after
from tests.planning.plans import leverages, shares, weights_of
from tests.properties import examples

LEVERED = a_snapshot(weights=(0.6, 0.5, 0.4, 0.3), nav_usd=100_000.0)
MINIMUM = 1.3


def book_of(weights: tuple[float, ...]) -> LendingBook:
    snapshot = a_snapshot(weights=weights, nav_usd=100_000.0)
    return LendingBook.when_mined(snapshot, AaveV3.of(snapshot))


def test_a_basis_point_of_interest_is_owed_when_mined() -> None:
    owed = LEVERED.holdings[0].owed
    book = LendingBook.when_mined(LEVERED, AaveV3.of(LEVERED))
    assert book.owed == owed + -(-owed // BPS)
    assert vault_book(LEVERED).owed == owed


def test_capacity_is_less_when_mined_than_at_the_block() -> None:
    """Two copies of the rule once disagreed by the interest."""
    mined, now = LendingBook.when_mined(LEVERED, AaveV3.of(LEVERED)), vault_book(LEVERED)
    assert now.borrowable(MINIMUM) - mined.borrowable(MINIMUM) == mined.interest


@examples(150)
@given(shares, leverages)
def test_what_is_borrowable_keeps_the_minimum_and_the_pools_capacity(
    held: list[float], leverage: float
) -> None:
    book = book_of(weights_of(held, leverage))
    amount = book.borrowable(MINIMUM)
    book.apply(steps.borrow("USDC", amount))
    if amount:
        assert book.health_factor() >= MINIMUM
        assert book.owed <= book.venue.borrowing_capacity(book.supplied)


@examples(150)
@given(shares, leverages, st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_after_the_repayment_all_that_leaves_is_withdrawable(
    held: list[float], leverage: float, parts: list[float]
) -> None:
    book = book_of(weights_of(held, leverage))
    symbols = ("WBTC", "WETH", "LINK", "UNI")
    leaving = {symbol: int(book.supplied[symbol] * part) for symbol, part in zip(symbols, parts, strict=True)}
    due = book.repayment_before(leaving, MINIMUM)
    assert 0 <= due <= book.owed
    book.owed -= due
    for symbol, amount in leaving.items():
        assert book.withdrawable(symbol, MINIMUM) >= amount
        book.apply(steps.withdraw(symbol, amount))
    assert book.health_factor() >= MINIMUM


def test_no_rest_of_debt_is_left_that_only_the_interest_would_owe() -> None:
    book = book_of((1.5, 0.0, 0.0, 0.0))
    almost = {"WBTC": book.supplied["WBTC"] - 10}
    assert book.repayment_before(almost, MINIMUM) == book.owed


@pytest.mark.parametrize(
    ("available", "amount"),
    [
        (lambda book: book.owed, lambda _: UINT256_MAX),
        (lambda book: book.owed - 1, lambda book: book.owed - book.interest),
        (lambda book: book.owed // 2, lambda book: book.owed // 2),
        (lambda _: 0, lambda _: 0),
        (lambda _: -5, lambda _: 0),
    ],
)
def test_all_is_repaid_only_where_the_interest_can_be_paid_as_well(
    available: Callable[[LendingBook], int], amount: Callable[[LendingBook], int]
) -> None:
    book = LendingBook.when_mined(LEVERED, AaveV3.of(LEVERED))
    assert book.repayment(available(book)) == amount(book)


@examples(100)
@given(shares, leverages, st.floats(1.0, 1.5))
def test_the_part_that_may_leave_at_once_keeps_the_minimum(
    held: list[float], leverage: float, minimum: float
) -> None:
    book = book_of(weights_of(held, leverage))
    part = book.withdrawable_part(book.supplied, minimum)
    assert 0 <= part <= 1
    assume(book.health_factor() > minimum)
    for symbol, supplied in tuple(book.supplied.items()):
        book.apply(steps.withdraw(symbol, math.floor(supplied * part)))
    assert book.health_factor() >= minimum


def test_a_margin_is_kept_of_what_may_be_withdrawn() -> None:
    book = book_of((1.0, 0.3, 0.0, 0.0))
    exact = book.venue.withdrawable("WBTC", book.supplied, book.owed, MINIMUM)
    assert book.withdrawable("WBTC", MINIMUM) == exact * MARGIN[0] // MARGIN[1] < book.supplied["WBTC"]


def test_swaps_count_at_their_limit_or_as_expected() -> None:
    snapshot = with_holding(LEVERED, "WETH", idle=10**18)
    swap = Step(
        kind=StepKind.SWAP_EXACT_IN,
        symbol="WETH",
        amount=UINT256_MAX,
        limit=900 * 10**6,
        route=Route(("WETH", "USDC"), (500,)),
        expected_in=10**18,
        expected_out=1_000 * 10**6,
    )
    worst = vault_book(snapshot)
    worst.apply(swap)
    likely = after(vault_book(snapshot), [swap])
    assert (worst.idle["USDC"], likely.idle["USDC"]) == (900 * 10**6, 1_000 * 10**6)
    assert worst.idle["WETH"] == likely.idle["WETH"] == 0


def test_an_exact_output_takes_at_most_its_limit() -> None:
    snapshot = with_holding(LEVERED, "WETH", idle=10**18)
    route = Route(("WETH", "USDC"), (500,))
    swap = steps.swap_for("USDC", 10**9, route, max_in=10**18, expected_in=9 * 10**17)
    worst, likely = vault_book(snapshot), after(vault_book(snapshot), [swap])
    worst.apply(swap)
    assert (worst.idle["WETH"], likely.idle["WETH"]) == (0, 10**17)
    assert worst.idle["USDC"] == likely.idle["USDC"] == 10**9


def test_what_is_overdrawn_shows() -> None:
    book = vault_book(LEVERED)
    book.apply(steps.withdraw("WBTC", book.supplied["WBTC"] + 7))
    assert book.overdrawn() == 7

"""Morpho Blue's formulas: against the contract's rounding step by step, and each inverse against its formula."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.account_venue import PRICE_SCALE
from keeper.domain.units import BPS, UINT256_MAX, WAD
from keeper.lending.adaptive_curve import FIRST_RATE, HIGHEST_RATE, LOWEST_RATE, AdaptiveCurve
from keeper.lending.morpho import INTEREST_TIME_S, MorphoBlue
from keeper.lending.venue import LendingVenue
from tests.properties import examples

SUPPLY = 20_000_000 * 10**6
BORROWED = 18_000_000 * 10**6
amounts = st.integers(0, 10**24)
pledges = st.integers(10**18, 10**24)
debts = st.integers(1, 10**15)
market_prices = st.integers(10**22, 10**30)
prices = st.integers(10**20, 10**30)
floors = st.floats(1.0, 3.0)
lltvs = st.sampled_from([385, 625, 770, 860, 915, 945, 965, 980])


def market(price: int = 2_000 * 10**24, lltv: int = 860, at_target: int = FIRST_RATE) -> MorphoBlue:
    return MorphoBlue(
        debt_symbol="USDC",
        collateral_symbol="WETH",
        lltv=lltv * WAD // 1_000,
        price=price,
        total_supply=SUPPLY,
        total_borrow=BORROWED,
        curve=AdaptiveCurve(at_target),
    )


def most_owed(venue: MorphoBlue, collateral: int) -> int:
    """Morpho._isHealthy, rounding by rounding."""
    return collateral * venue.price // PRICE_SCALE * venue.lltv // WAD


# -------------------------------------------------------------------- health


@examples(100)
@given(amounts, debts, prices, lltvs)
def test_the_health_factor_is_the_contracts(collateral: int, owed: int, price: int, lltv: int) -> None:
    venue = market(price, lltv)
    most = most_owed(venue, collateral)
    assert venue.health({"WETH": collateral}, owed) == most * WAD // owed
    assert venue.health_factor({"WETH": collateral}, owed) == most / owed
    assert venue.secured_value({"WETH": collateral}) == most * BPS
    assert (venue.health_factor({"WETH": collateral}, owed) >= 1.0) == (most >= owed)


@pytest.mark.parametrize(
    ("lltv", "collateral", "owed", "health"),
    [
        (860, 10**18, 1_000 * 10**6, 1_720_000_000_000_000_000),
        (860, 3 * 10**18 + 1, 4_999_999_999, 1_032_000_000_206_400_000),
        (915, 10**18, 3_660 * 10**6, 500_000_000_000_000_000),
        (860, 10**8, 1, 0),
    ],
)
def test_the_health_factor_of_some_positions(lltv: int, collateral: int, owed: int, health: int) -> None:
    assert market(lltv=lltv).health({"WETH": collateral}, owed) == health


def test_only_the_markets_collateral_secures_anything() -> None:
    venue: LendingVenue = market()
    assert venue.collateral_value({"WETH": 10**18, "WBTC": 10**8, "USDC": 10**9}) == 2_000 * 10**6
    assert venue.secured_value({"WBTC": 10**8}) == 0
    assert venue.must_leave_first({"WETH": 10**18}, 1) == ()


def test_without_debt_the_health_factor_is_infinite() -> None:
    assert market().health_factor({"WETH": 10**18}, 0) == math.inf
    assert market().health({"WETH": 10**18}, 0) == UINT256_MAX


# ------------------------------------------------------- solved for one of them


@examples(100)
@given(amounts, prices, lltvs, floors)
def test_the_debt_at_a_health_factor_is_the_largest_that_keeps_it_however_shares_round(
    collateral: int, price: int, lltv: int, floor: float
) -> None:
    venue, supplied = market(price, lltv), {"WETH": collateral}
    debt = venue.debt_at(supplied, floor)
    assert debt == 0 or venue.health_factor(supplied, debt + 1) >= floor
    assert Fraction(most_owed(venue, collateral), debt + 2) < Fraction(floor)


@examples(100)
@given(amounts, prices, lltvs)
def test_the_capacity_is_what_morpho_lets_be_owed_however_shares_round(
    collateral: int, price: int, lltv: int
) -> None:
    venue = market(price, lltv)
    capacity, most = venue.borrowing_capacity({"WETH": collateral}), most_owed(venue, collateral)
    assert capacity in (most - 1, 0)
    assert capacity <= most


@examples(100)
@given(pledges, market_prices, lltvs, st.floats(0.01, 0.999), floors)
def test_what_is_withdrawable_keeps_the_health_factor_and_one_more_does_not(
    collateral: int, price: int, lltv: int, used: float, floor: float
) -> None:
    venue = market(price, lltv)
    owed = int(venue.debt_at({"WETH": collateral}, floor) * used)
    assume(owed > 0)
    amount = venue.withdrawable("WETH", {"WETH": collateral}, owed, floor)
    assert 0 <= amount < collateral
    assert venue.health_factor({"WETH": collateral - amount}, owed) >= floor
    assert Fraction(most_owed(venue, collateral - amount - 1), owed) < Fraction(floor) + Fraction(1, WAD)


@examples(100)
@given(pledges, market_prices, st.floats(0.01, 0.999), floors, st.floats(0.01, 1.0))
def test_the_part_that_may_leave_at_once_keeps_the_health_factor(
    collateral: int, price: int, used: float, floor: float, leaving: float
) -> None:
    venue, supplied = market(price), {"WETH": collateral}
    owed = int(venue.debt_at(supplied, floor) * used)
    going = {"WETH": int(collateral * leaving), "WBTC": 5}
    assume(owed > 0 and going["WETH"] > 0)
    part = min(Fraction(1), venue.withdrawable_part(going, supplied, owed, floor))
    stays = collateral - math.floor(going["WETH"] * part)
    assert venue.health_factor({"WETH": stays}, owed) >= floor


def test_what_secures_nothing_may_leave_and_nothing_leaves_without_a_price() -> None:
    venue, blind = market(), market(price=0)
    supplied = {"WETH": 10**18}
    assert venue.withdrawable("WBTC", supplied, 10**9, 1.0) == UINT256_MAX
    assert venue.withdrawable_part({"WBTC": 10**8}, supplied, 10**9, 1.0) == UINT256_MAX
    assert blind.withdrawable("WETH", supplied, 0, 1.0) == UINT256_MAX
    assert blind.withdrawable("WETH", supplied, 1, 1.0) == 0
    assert blind.debt_at(supplied, 1.0) == blind.borrowing_capacity(supplied) == 0


# ------------------------------------------------------------ interest, rates


def later(at_target: int, utilisation: float, elapsed_s: int) -> MorphoBlue:
    """A market that nobody has touched for so long."""
    borrowed, curve = int(utilisation * SUPPLY), AdaptiveCurve(at_target)
    interest = borrowed * growth(curve.mean_rate(borrowed, SUPPLY, elapsed_s) * elapsed_s) // WAD
    return replace(market(), total_borrow=borrowed, curve=curve, interest=interest, elapsed_s=elapsed_s)


def growth(x: int) -> int:
    """Morpho's MathLib.wTaylorCompounded."""
    return x + x * x // (2 * WAD) + x * x // (2 * WAD) * x // (3 * WAD)


@examples(100)
@given(
    st.integers(LOWEST_RATE, HIGHEST_RATE),
    st.floats(0.01, 1.0),
    st.integers(0, 30 * 86_400),
    st.integers(0, INTEREST_TIME_S),
)
def test_the_interest_until_mined_is_no_less_than_morpho_charges(
    at_target: int, utilisation: float, elapsed_s: int, wait_s: int
) -> None:
    """Somebody updates the market after a wait and borrows all that is left; then the plan is mined at its latest."""
    venue = later(at_target, utilisation, elapsed_s)
    owed = venue.total_borrow + venue.interest
    waited, rest_s = elapsed_s + wait_s, INTEREST_TIME_S - wait_s
    rate = venue.curve.mean_rate(venue.total_borrow, SUPPLY, waited)
    updated = venue.total_borrow + venue.total_borrow * growth(rate * waited) // WAD
    curve = venue.curve.after(venue.total_borrow, SUPPLY, waited)
    charged = updated + updated * growth(curve.mean_rate(1, 1, rest_s) * rest_s) // WAD - owed
    assert charged <= venue.interest_until_mined(owed)
    assert venue.interest_until_mined(0) == 0


def test_after_idle_days_the_interest_until_mined_counts_what_a_later_update_adds_for_them() -> None:
    venue = later(FIRST_RATE, 1.0, 5 * 86_400)
    owed = venue.total_borrow + venue.interest
    then = venue.elapsed_s + INTEREST_TIME_S
    charged = SUPPLY * growth(venue.curve.mean_rate(SUPPLY, SUPPLY, then) * then) // WAD - venue.interest
    assert charged > 0
    assert charged <= venue.interest_until_mined(owed)


def test_in_a_calm_market_the_interest_until_mined_is_a_two_thousandth() -> None:
    assert market().interest_until_mined(10**12) < 10**12 // 1_500


def test_the_rate_after_our_own_action_is_read_off_the_curve() -> None:
    venue = market()
    assert venue.available == 2_000_000 * 10**6
    assert venue.borrow_rate(0) == pytest.approx(0.04, rel=1e-6)
    assert venue.borrow_rate(venue.available) == pytest.approx(0.16, rel=1e-6)
    assert venue.borrow_rate(venue.available + 10**12) == venue.borrow_rate(venue.available)
    assert venue.borrow_rate(-BORROWED) == pytest.approx(0.01, rel=1e-6)
    assert venue.borrow_rate(-2 * BORROWED) == venue.borrow_rate(-BORROWED)

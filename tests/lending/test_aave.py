"""Aave V3's formulas: against the contracts' rounding in exact fractions, and each inverse against its formula."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.units import BPS, UINT256_MAX, WAD
from keeper.lending.aave import AaveV3, health_factor
from keeper.lending.venues import vault_book
from tests.factories import a_snapshot, with_holding, with_reserve
from tests.planning.plans import leverages, shares, weights_of
from tests.properties import examples

SYMBOLS = ("USDC", "WBTC", "WETH", "LINK", "UNI")
supplies = st.fixed_dictionaries(
    {
        "WBTC": st.integers(0, 10**11),
        "WETH": st.integers(0, 10**22),
        "LINK": st.integers(0, 10**23),
        "UNI": st.integers(0, 10**23),
    }
)
debts = st.integers(1, 10**14)
floors = st.floats(1.0, 3.0)


def venue() -> AaveV3:
    return AaveV3.of(a_snapshot())


@examples(200)
@given(supplies, debts)
def test_the_health_factor_is_the_contracts(supplied: dict[str, int], owed: int) -> None:
    """GenericLogic.calculateUserAccountData: values rounded down, debt up, the quotient in 1e-18."""
    aave = venue()
    by_symbol = {terms.symbol: terms for terms in aave.terms}
    secured = sum(
        amount
        * by_symbol[symbol].price
        // by_symbol[symbol].unit
        * by_symbol[symbol].liquidation_threshold_bps
        for symbol, amount in supplied.items()
    )
    debt = math.ceil(Fraction(owed * aave.terms[0].price, aave.terms[0].unit))
    on_chain = (secured * WAD + debt // 2) // debt // BPS
    assert aave.account(supplied, owed).health_factor == on_chain
    assert aave.health_factor(supplied, owed) == pytest.approx(on_chain / WAD, rel=1e-12, abs=1e-17)


def test_without_debt_the_health_factor_is_infinite() -> None:
    assert venue().health_factor({"WETH": 10**18}, 0) == math.inf
    assert venue().account({"WETH": 10**18}, 0).health_factor == UINT256_MAX
    assert health_factor(1.0, 0.0) == math.inf


@examples(200)
@given(supplies, floors)
def test_the_debt_at_a_health_factor_is_the_largest_that_keeps_it(
    supplied: dict[str, int], floor: float
) -> None:
    aave = venue()
    debt = aave.debt_at(supplied, floor)
    assert debt == 0 or aave.health_factor(supplied, debt) >= floor
    assert aave.health_factor(supplied, debt + 2) < floor


@examples(200)
@given(supplies)
def test_the_borrowing_capacity_is_the_largest_debt_that_the_pool_accepts(supplied: dict[str, int]) -> None:
    """ValidationLogic.validateHFAndLtv: collateral >= percentDivCeil(debt, mean loan to value in whole bps)."""
    aave = venue()
    assume(aave.collateral_value(supplied) > BPS)

    def accepts(owed: int) -> bool:
        values = {terms: supplied.get(terms.symbol, 0) * terms.price // terms.unit for terms in aave.terms}
        collateral = sum(values.values())
        mean = sum(value * terms.ltv_bps for terms, value in values.items()) // collateral
        return collateral >= -(-aave.account({}, owed).debt_base * BPS // mean)

    capacity = aave.borrowing_capacity(supplied)
    assert accepts(capacity)
    assert not accepts(capacity + 2)


@examples(200)
@given(supplies, st.sampled_from(SYMBOLS[1:]), st.floats(0.1, 0.99), floors)
def test_what_is_withdrawable_keeps_the_health_factor_and_little_more_does_not(
    supplied: dict[str, int], symbol: str, used: float, floor: float
) -> None:
    aave = venue()
    owed = int(aave.debt_at(supplied, floor) * used)
    amount = min(supplied[symbol], aave.withdrawable(symbol, supplied, owed, floor))
    assume(owed > 1_000)
    after = {**supplied, symbol: supplied[symbol] - amount}
    assert aave.health_factor(after, owed) >= floor
    cent = aave.terms[SYMBOLS.index(symbol)].unit // 10_000 + 1
    if supplied[symbol] - amount > cent:
        assert aave.health_factor({**after, symbol: after[symbol] - cent}, owed) < floor


def test_collateral_of_ltv_zero_must_leave_first_beside_debt() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.6, 0.6, 0.1, 0.0)), "LINK", ltv_bps=0)
    assert vault_book(snapshot).must_leave_first() == ("LINK",)
    assert vault_book(with_holding(snapshot, "USDC", owed=0)).must_leave_first() == ()
    no_collateral = with_reserve(snapshot, "LINK", liquidation_threshold_bps=0)
    assert vault_book(no_collateral).must_leave_first() == ()


@examples(50)
@given(shares, leverages)
def test_two_venues_are_told_apart_by_their_terms_alone(held: list[float], leverage: float) -> None:
    """A category with higher thresholds gives a higher health factor for the same holdings."""
    snapshot = a_snapshot(weights=weights_of(held, leverage))
    aave, book = AaveV3.of(snapshot), vault_book(snapshot)
    higher = tuple(
        replace(terms, liquidation_threshold_bps=terms.liquidation_threshold_bps + 500)
        for terms in aave.terms
    )
    better = replace(aave, terms=higher)
    assert better.health_factor(book.supplied, book.owed) >= book.health_factor()

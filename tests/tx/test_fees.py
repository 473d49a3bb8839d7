from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.tx.fees import MIN_TIP_WEI, FeeMarket, Fees, first_fees, replacement_fees

GWEI = 10**9
wei = st.integers(0, 10**14)


def test_an_ordinary_offer_survives_a_doubling_of_the_base_fee() -> None:
    assert first_fees(FeeMarket(20 * GWEI, 2 * GWEI), 100 * GWEI) == Fees(42 * GWEI, 2 * GWEI)


def test_a_market_without_tips_is_offered_the_least() -> None:
    assert first_fees(FeeMarket(20 * GWEI, 0), 100 * GWEI) == Fees(40 * GWEI + MIN_TIP_WEI, MIN_TIP_WEI)


def test_the_cap_cuts_headroom_first() -> None:
    assert first_fees(FeeMarket(20 * GWEI, 2 * GWEI), 25 * GWEI) == Fees(25 * GWEI, 2 * GWEI)


def test_a_base_fee_at_the_cap_is_not_offered_for() -> None:
    assert first_fees(FeeMarket(20 * GWEI, GWEI), 20 * GWEI) is None


@given(wei, wei, wei)
def test_n4_an_offer_is_within_the_cap_and_can_be_mined_in_the_next_block(
    base: int, tip: int, cap: int
) -> None:
    fees = first_fees(FeeMarket(base, tip), cap)
    if fees is not None:
        assert fees.max_fee_wei <= cap
        assert MIN_TIP_WEI <= fees.tip_wei <= fees.max_fee_wei - base


@given(st.integers(1, 10**14), st.integers(1, 10**14), wei, wei, wei)
def test_a_replacement_raises_both_fields_by_an_eighth_at_least_or_not_at_all(
    fee: int, tip: int, cap: int, base: int, market_tip: int
) -> None:
    raised = replacement_fees(Fees(max(fee, tip), min(fee, tip)), FeeMarket(base, market_tip), cap)
    if raised is not None:
        assert raised.max_fee_wei * 8 >= max(fee, tip) * 9
        assert raised.tip_wei * 8 >= min(fee, tip) * 9
        assert raised.tip_wei <= raised.max_fee_wei <= cap


@pytest.mark.parametrize(("cap", "result"), [(112, None), (113, Fees(113, 12))])
def test_a_replacement_is_rounded_up_and_stops_at_the_cap(cap: int, result: Fees | None) -> None:
    assert replacement_fees(Fees(100, 10), FeeMarket(0, 0), cap) == result


def test_a_market_that_rose_is_met_at_once() -> None:
    out, market = Fees(40 * GWEI, GWEI), FeeMarket(500 * GWEI, 3 * GWEI)
    assert replacement_fees(out, market, 2_000 * GWEI) == Fees(1_003 * GWEI, 3 * GWEI)
    assert replacement_fees(out, market, 100 * GWEI) == Fees(100 * GWEI, GWEI * 9 // 8)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.fee_replacement import REPLACEMENTS, after_replacements, before_replacements, raised
from keeper.tx.fees import MIN_TIP_WEI, FeeMarket, Fees, first_fees, next_fees

GWEI = 10**9
wei = st.integers(0, 10**14)
HISTORIES = st.lists(st.tuples(st.sampled_from((7, 8, 9)), wei), min_size=REPLACEMENTS, max_size=REPLACEMENTS)
"""For each replacement the base fee in eighths of the one before, and the market's tip."""


def test_an_ordinary_offer_survives_a_doubling_of_the_base_fee() -> None:
    assert first_fees(FeeMarket(20 * GWEI, 2 * GWEI), 100 * GWEI) == Fees(42 * GWEI, 2 * GWEI)


def test_a_market_without_tips_is_offered_the_least() -> None:
    assert first_fees(FeeMarket(20 * GWEI, 0), 100 * GWEI) == Fees(40 * GWEI + MIN_TIP_WEI, MIN_TIP_WEI)


def test_room_for_three_replacements_cuts_headroom_first() -> None:
    bid = before_replacements(50 * GWEI)
    assert 35 * GWEI < bid < 42 * GWEI
    assert first_fees(FeeMarket(20 * GWEI, 2 * GWEI), 50 * GWEI) == Fees(bid, 2 * GWEI)


def test_where_there_is_no_room_for_three_there_is_room_for_what_fits() -> None:
    fees = first_fees(FeeMarket(40 * GWEI, GWEI), 50 * GWEI)
    assert fees == Fees(before_replacements(50 * GWEI, 1), GWEI)


def test_a_base_fee_at_the_cap_is_not_offered_for() -> None:
    assert first_fees(FeeMarket(20 * GWEI, GWEI), 20 * GWEI) is None


@given(wei, wei, wei)
def test_n4_an_offer_is_within_the_cap_and_can_be_mined_in_the_next_block(
    base: int, tip: int, cap: int
) -> None:
    fees = first_fees(FeeMarket(base, tip), cap)
    assert (fees is None) == (base + MIN_TIP_WEI > cap)
    if fees is not None:
        assert fees.max_fee_wei <= cap
        assert MIN_TIP_WEI <= fees.tip_wei <= fees.max_fee_wei - base


@given(wei, wei, wei, HISTORIES)
def test_three_replacements_are_possible_wherever_the_next_block_leaves_room_for_them(
    base: int, tip: int, cap: int, history: list[tuple[int, int]]
) -> None:
    """Over base fees, tips and caps, whatever the market does in between. Each bid replaces all earlier ones at any
    node, is within the cap, and can be mined in the next block."""
    bids: list[Fees] = []
    for count, (eighths, market_tip) in enumerate([(8, tip), *history]):
        base = base * eighths // 8
        if base + MIN_TIP_WEI > before_replacements(cap, REPLACEMENTS - count):
            return
        bid = next_fees(bids, FeeMarket(base, market_tip), cap)
        assert bid is not None
        assert base + MIN_TIP_WEI <= bid.max_fee_wei <= cap
        assert MIN_TIP_WEI <= bid.tip_wei <= bid.max_fee_wei
        assert all(bid.max_fee_wei * 8 >= earlier.max_fee_wei * 9 for earlier in bids)
        assert all(bid.tip_wei * 8 >= earlier.tip_wei * 9 for earlier in bids)
        bids.append(bid)
    assert len(bids) == 1 + REPLACEMENTS


@pytest.mark.parametrize("limit_gwei", [40, 120, 500])
def test_at_every_base_fee_up_to_a_limit_of_the_shipped_settings_there_is_room_for_three(
    limit_gwei: int,
) -> None:
    cap = after_replacements(limit_gwei * GWEI)
    for base in range(1, limit_gwei):
        market = FeeMarket(base * GWEI, GWEI)
        bids: list[Fees] = []
        for _ in range(1 + REPLACEMENTS):
            bid = next_fees(bids, market, cap)
            assert bid is not None
            bids.append(bid)
        assert bids[0].max_fee_wei <= limit_gwei * GWEI


@given(st.integers(1, 10**14), st.integers(1, 10**14), wei, wei, wei)
def test_a_replacement_raises_both_fields_by_an_eighth_at_least_or_not_at_all(
    fee: int, tip: int, cap: int, base: int, market_tip: int
) -> None:
    bid = next_fees([Fees(max(fee, tip), min(fee, tip))], FeeMarket(base, market_tip), cap)
    if bid is not None:
        assert bid.max_fee_wei * 8 >= max(fee, tip) * 9
        assert bid.tip_wei * 8 >= min(fee, tip) * 9
        assert bid.tip_wei <= bid.max_fee_wei <= cap


@pytest.mark.parametrize(("cap", "result"), [(112, None), (113, Fees(113, 12))])
def test_a_replacement_is_rounded_up_and_stops_at_the_cap(cap: int, result: Fees | None) -> None:
    assert next_fees([Fees(100, 10)], FeeMarket(0, 0), cap) == result


def test_a_market_that_rose_is_met_at_once() -> None:
    out, market = Fees(40 * GWEI, GWEI), FeeMarket(500 * GWEI, 3 * GWEI)
    assert next_fees([out], market, 2_000 * GWEI) == Fees(1_003 * GWEI, 3 * GWEI)
    assert next_fees([out], market, 100 * GWEI) == Fees(100 * GWEI, GWEI * 9 // 8)


@given(wei, st.integers(0, 5))
def test_the_highest_bid_that_can_be_replaced_is_just_that(cap: int, count: int) -> None:
    bid = before_replacements(cap, count)
    assert after_replacements(bid, count) <= cap < after_replacements(bid + 1, count)


@given(wei)
def test_a_fee_is_raised_by_an_eighth_rounded_up(fee: int) -> None:
    assert 8 * raised(fee) - 9 * fee in range(8)

"""How much one transaction may carry: the protocol's limit, the block's, and what nodes let it offer for gas."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.domain.fee_replacement import after_replacements, raised
from keeper.planning.gas import gas_limit_for, max_further_parts, max_gas, max_trades, sent_gas, with_reserve
from tests.factories.market import a_block
from tests.factories.policies import a_plan_policy

GWEI, ETHER = 10**9, 10**18
ONE_ETHER = a_plan_policy(max_fee_wei=ETHER)
ONE_SALE = 480_000 + 150_000 + 100_000 + 45_000 + 2 * 55_000 + 2 * 55_000
"""Gas of a deleverage that sells one asset over two hops, with a flash loan and two repayments."""


@pytest.mark.parametrize("base_gwei", [1, 40, 120, 450, 500])
def test_an_emergency_within_the_shipped_limit_sells_at_least_one_asset_with_room_for_three_bumps(
    base_gwei: int,
) -> None:
    block = a_block(base_fee_wei=base_gwei * GWEI)
    count = max_trades(block, ONE_ETHER, only_sales=True)
    assert count >= 1
    gas_limit = (ONE_SALE + (count - 1) * 255_000) * ONE_ETHER.gas_limit_margin
    assert gas_limit * after_replacements(block.base_fee_wei) <= ETHER


def test_cheap_gas_cuts_nothing_and_expensive_gas_cuts_more_and_more() -> None:
    counts = [
        max_trades(a_block(base_fee_wei=base * GWEI), ONE_ETHER, only_sales=True)
        for base in (1, 20, 60, 120, 240, 450)
    ]
    assert counts[0] == counts[1] > 10
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 1


def test_where_the_fee_leaves_no_room_for_replacements_one_trade_is_still_planned() -> None:
    block = a_block(base_fee_wei=600 * GWEI)
    assert max_trades(block, ONE_ETHER, only_sales=True) == 1
    assert max_trades(a_block(base_fee_wei=900 * GWEI), ONE_ETHER, only_sales=True) == 0


@given(st.integers(0, 10**13), st.integers(10**16, 10**19), st.booleans(), st.booleans())
@example(base=6_000_937_653, fee=10**16, only_sales=True, by_safe=False)
@example(base=6 * 10**12, fee=1_243_750 * 6_750_000_000_000 - 1, only_sales=True, by_safe=False)
@example(base=6_000_937_653, fee=10**16, only_sales=True, by_safe=True)
def test_what_fits_can_be_paid_for_in_the_block_after_the_next(
    base: int, fee: int, only_sales: bool, by_safe: bool
) -> None:
    policy, block = a_plan_policy(max_fee_wei=fee), a_block(base_fee_wei=base)
    assert max_gas(block, policy) * raised(base) <= fee
    count = max_trades(block, policy, only_sales=only_sales, by_safe=by_safe)
    per_trade, fixed = (255_000, 740_000) if only_sales else (335_000, 865_000)
    gas = fixed + count * per_trade
    if count:
        assert gas_limit_for(sent_gas(gas, by_safe=by_safe), policy.gas_limit_margin) <= max_gas(
            block, policy
        )
    further = 0 if only_sales else max_further_parts(block, policy, count, by_safe=by_safe)
    if further:
        more = sent_gas(gas + further * 155_000, by_safe=by_safe)
        assert gas_limit_for(more, policy.gas_limit_margin) <= max_gas(block, policy)


def test_behind_a_safe_an_emergency_sells_less_where_only_the_plain_call_fits() -> None:
    plain = [
        max_trades(a_block(base_fee_wei=base * GWEI), ONE_ETHER, only_sales=True)
        for base in range(40, 460, 20)
    ]
    behind = [
        max_trades(a_block(base_fee_wei=base * GWEI), ONE_ETHER, only_sales=True, by_safe=True)
        for base in range(40, 460, 20)
    ]
    assert all(less <= more for less, more in zip(behind, plain, strict=True))
    assert any(less < more for less, more in zip(behind, plain, strict=True))


def test_four_calls_to_the_vault_keep_a_64th_back_each() -> None:
    reserved = with_reserve(1_250_000)
    for _ in range(4):
        reserved -= reserved // 64
    assert 1_250_000 <= reserved <= 1_250_004

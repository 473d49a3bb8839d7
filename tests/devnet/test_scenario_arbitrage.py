"""Where an arbitrageur stops who pays the pool's fee."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keeper.devnet.scenario.arbitrage import arbitrage_goal

Q96 = 1 << 96
FEES = st.sampled_from([100, 500, 3_000, 10_000])


def test_inside_the_band_of_the_fee_nothing_is_worth_a_swap() -> None:
    assert arbitrage_goal(Q96, Q96, 500) is None
    assert arbitrage_goal(int(Q96 * 1.0002), Q96, 500) is None
    assert arbitrage_goal(int(Q96 * 1.0003), Q96, 500) is not None


@given(st.floats(0.5, 2.0), FEES)
def test_the_last_unit_earns_what_its_fee_costs(ratio: float, fee: int) -> None:
    goal = arbitrage_goal(int(Q96 * ratio), Q96, fee)
    if goal is None:
        assert abs(ratio**2 - 1.0) <= 1.01 * fee / 1e6
        return
    price = (goal / Q96) ** 2
    kept = 1.0 - fee / 1e6
    edge = kept if ratio < 1.0 else 1.0 / kept
    assert abs(price / edge - 1.0) < 1e-12


@given(st.floats(0.5, 2.0), FEES)
def test_the_swap_goes_towards_the_fair_price_and_one_is_enough(ratio: float, fee: int) -> None:
    current = int(Q96 * ratio)
    goal = arbitrage_goal(current, Q96, fee)
    if goal is not None:
        assert current < goal <= Q96 or Q96 <= goal < current
        assert arbitrage_goal(goal, Q96, fee) is None

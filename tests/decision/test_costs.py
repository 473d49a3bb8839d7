"""What is learned from trades: how far the assumption moves, and where it stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision.cost_curve import pool_curve
from keeper.decision.costs import (
    HALF_LIFE_TRADES,
    PRIOR_TRADES,
    REMEMBERED,
    AssetCost,
    drawn_towards,
    expected_costs,
    learned_costs,
)
from keeper.domain.executed_swaps import ExecutedSwap, LearnedCost
from keeper.domain.policy import Policy
from tests.factories import RISK_SYMBOLS, a_decision_policy, a_policy, an_executed_swap, some_assets

FAIR = 10**18


def costing(bps: float, **changes: object) -> ExecutedSwap:
    return an_executed_swap(fair_out=FAIR, realised_out=round(FAIR * (1 - bps / 10_000)), **changes)


def expected_costs_bps(policy: Policy, found: Sequence[LearnedCost] = ()) -> tuple[float, ...]:
    """Where no pools are known: at any size the same."""
    costs = expected_costs(policy, RISK_SYMBOLS, found, curves={})
    assert all(cost.bps(1e6) == cost.linear_bps == cost.cautious_bps for cost in costs)
    assert all(cost.curvature(1e6) == 0.0 for cost in costs)
    return tuple(cost.linear_bps for cost in costs)


def learned(*executed_swaps: ExecutedSwap) -> dict[str, LearnedCost]:
    return {one.symbol: one for one in learned_costs(executed_swaps, RISK_SYMBOLS)}


def test_without_a_trade_the_assumption_stands() -> None:
    policy = a_policy(assets=some_assets(trade_cost_bps=None))
    assert learned() == {}
    assert expected_costs_bps(policy) == (20.0,) * 4


def test_only_what_was_traded_is_learned() -> None:
    policy = a_policy()
    found = learned_costs([costing(60.0)], RISK_SYMBOLS)
    before, after = expected_costs_bps(policy), expected_costs_bps(policy, found)
    assert after[1] == pytest.approx((PRIOR_TRADES * before[1] + 60.0) / (PRIOR_TRADES + 1))
    assert (after[0], *after[2:]) == (before[0], *before[2:])


def test_a_trade_counts_half_after_its_half_life() -> None:
    found = learned(costing(100.0), *[costing(0.0)] * HALF_LIFE_TRADES)["WETH"]
    newest = sum(0.5 ** (age / HALF_LIFE_TRADES) for age in range(HALF_LIFE_TRADES))
    assert found.realised_bps == pytest.approx(100.0 * 0.5 / (newest + 0.5))
    assert found.weight == pytest.approx(newest + 0.5)


def test_an_asset_sold_for_another_carries_half_of_the_leg() -> None:
    found = learned(costing(40.0, sold="LINK", bought="UNI", fees_bps=60.0))
    assert {name: cost.realised_bps for name, cost in found.items()} == pytest.approx(
        {"LINK": 20.0, "UNI": 20.0}
    )
    assert {name: cost.fees_bps for name, cost in found.items()} == {"LINK": 30.0, "UNI": 30.0}


def test_gains_never_bring_it_below_the_pools_fees() -> None:
    found = learned(*[costing(-80.0, fees_bps=5.0)] * 100)["WETH"]
    assert drawn_towards(20.0, found) == pytest.approx(5.0)


def test_the_setting_turns_it_off() -> None:
    policy = a_policy(decision=a_decision_policy(learn_costs=False))
    found = learned_costs([costing(500.0)] * 10, RISK_SYMBOLS)
    assert expected_costs_bps(policy, found) == (20.0,) * 4


# ------------------------------------------------------ with the pools' depth

CURVE = pool_curve(5e-4, 10e6)
"""5 bps, and 1 bp more for each 1,000 USD."""


def with_curve(policy: Policy, *executed_swaps: ExecutedSwap) -> AssetCost:
    found = learned_costs(executed_swaps, RISK_SYMBOLS)
    return expected_costs(policy, RISK_SYMBOLS, found, curves={"WETH": CURVE})[1]


def test_the_curve_takes_the_place_of_the_assumption() -> None:
    cost = with_curve(a_policy())
    assert cost.linear_bps == pytest.approx(5.0)
    assert (cost.bps(10_000.0), cost.impact_bps(10_000.0)) == pytest.approx((15.0, 10.0))
    assert cost.bps(0.0) == pytest.approx(5.0)
    assert cost.impact_bps(0.0) == 0.0
    assert cost.bps(1e12) == 10_000.0
    assert cost.cautious_bps == 20.0
    others = expected_costs(a_policy(), RISK_SYMBOLS, (), curves={"WETH": CURVE})
    assert [one.bps(10_000.0) for one in others] == [20.0, cost.bps(10_000.0), 20.0, 20.0]


def test_experience_counts_with_the_curve_as_it_does_with_the_assumption() -> None:
    cost, found = with_curve(a_policy(), costing(60.0)), learned(costing(60.0))["WETH"]
    for size in (1_000.0, 10_000.0, 100_000.0):
        assert cost.bps(size) == pytest.approx(drawn_towards(5.0 + size / 1_000.0, found))
    cheap, fees = with_curve(a_policy(), *[costing(-80.0, fees_bps=5.0)] * 100), 5.0
    assert cheap.linear_bps == fees
    assert cheap.bps(10_000.0) > fees


def test_the_setting_keeps_to_the_assumption() -> None:
    policy = a_policy(decision=a_decision_policy(pool_costs=False))
    assert (
        with_curve(policy, costing(60.0))
        == expected_costs(policy, RISK_SYMBOLS, learned_costs([costing(60.0)], RISK_SYMBOLS), curves={})[1]
    )


bps = st.floats(-200, 500)


@given(
    st.lists(st.tuples(bps, st.floats(0, 100)), min_size=1, max_size=60),
    st.floats(0, 300),
)
def test_what_is_expected_lies_between_assumption_and_experience_or_at_the_fees(
    trades: list[tuple[float, float]], assumed: float
) -> None:
    executed_swaps = [costing(cost, fees_bps=fees) for cost, fees in trades]
    found, expected = (
        learned(*executed_swaps)["WETH"],
        drawn_towards(assumed, learned(*executed_swaps)["WETH"]),
    )
    assert found.fees_bps - 1e-9 <= expected
    assert expected >= min(assumed, *(swap.realised_bps for swap in executed_swaps)) - 1e-9
    assert expected <= max(assumed, found.fees_bps, *(swap.realised_bps for swap in executed_swaps)) + 1e-9
    assert 1.0 <= found.weight <= len(executed_swaps)


@given(st.lists(bps, min_size=1, max_size=30), st.integers(0, 29), st.floats(1, 100))
def test_a_more_expensive_trade_never_lowers_the_expected_cost(
    trades: list[float], place: int, more: float
) -> None:
    place %= len(trades)
    dearer = [cost + more if at == place else cost for at, cost in enumerate(trades)]
    was, now = (learned(*[costing(cost) for cost in one])["WETH"] for one in (trades, dearer))
    assert drawn_towards(20.0, now) >= drawn_towards(20.0, was) - 1e-9


def test_the_oldest_trades_are_forgotten() -> None:
    many = [costing(1_000.0), *[costing(10.0)] * REMEMBERED]
    assert learned(*many)["WETH"] == learned(*many[1:])["WETH"]


def test_bps_are_of_what_was_fair() -> None:
    swap = replace(
        an_executed_swap(), fair_out=10_000, quoted_out=9_990, simulated_out=None, realised_out=9_980
    )
    assert (swap.quoted_bps, swap.simulated_bps, swap.realised_bps) == (10.0, None, 20.0)

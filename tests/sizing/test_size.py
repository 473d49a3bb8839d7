"""The target: risk-budget weights at the leverage of the tightest bound, and its name."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.cycle.pipeline import assess
from keeper.decision.decide import decide
from keeper.domain.decision import Action
from keeper.domain.errors import InvalidBudgets, InvalidSetting
from keeper.domain.model import TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.policy import AssetGroup, Policy
from keeper.journal.codec import decode, encode
from keeper.risk.allocations import ALLOCATIONS
from keeper.sizing.size import size
from tests.factories import (
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    some_assets,
    some_bars,
    with_reserve,
)
from tests.properties import examples


def policy_with(**changes: object) -> Policy:
    return a_policy(size=a_size_policy(**changes))


def test_the_weights_are_the_leverage_times_the_unit_weights_and_spread_the_risk_by_budget() -> None:
    target = size(a_model(), Observation(a_snapshot()), a_policy())
    assert math.fsum(target.unit_weights) == pytest.approx(1.0, abs=1e-12)
    assert target.weights == pytest.approx([target.leverage * weight for weight in target.unit_weights])
    assert target.risk_shares == pytest.approx(target.budgets, rel=1e-10)
    assert target.volatility == pytest.approx(target.leverage * target.unit_volatility)


def test_unequal_budgets_in_any_scale_are_kept() -> None:
    budgets = (4.0, 3.0, 2.0, 1.0)
    assets = tuple(replace(asset, budget=b) for asset, b in zip(some_assets(), budgets, strict=True))
    target = size(a_model(), Observation(a_snapshot()), a_policy(assets=assets))
    assert target.risk_shares == pytest.approx((0.4, 0.3, 0.2, 0.1), rel=1e-10)


def test_the_target_volatility_sets_the_leverage_when_nothing_is_tighter() -> None:
    target = size(a_model(), Observation(a_snapshot()), policy_with(target_volatility=0.6))
    assert target.binding == "target_volatility"
    assert target.volatility == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("binding", "changes"),
    [
        ("policy_cap", {"max_leverage": 1.1}),
        ("health_factor", {"min_health_factor": 4.0}),
        ("stress", {"stress_sigmas": 20.0}),
    ],
)
def test_the_binding_bound_is_named(binding: str, changes: dict[str, float]) -> None:
    target = size(a_model(), Observation(a_snapshot()), policy_with(**changes))
    assert target.binding == binding
    assert target.leverage == min(bound.leverage for bound in target.bounds)


def test_a_market_limit_binds_by_name() -> None:
    snapshot = with_reserve(a_snapshot(), "UNI", supply_cap=8_000_001)
    assert size(a_model(), Observation(snapshot), a_policy()).binding == "supply_cap:UNI"


def test_the_health_factor_is_the_lending_markets_at_the_target() -> None:
    target = size(a_model(), Observation(a_snapshot()), policy_with(min_health_factor=3.0))
    assert target.binding == "health_factor"
    assert target.health_factor == pytest.approx(3.0)


def test_an_idle_buffer_costs_leverage_and_keeps_the_floor() -> None:
    target = size(a_model(), Observation(a_snapshot()), policy_with(min_health_factor=3.0, idle_buffer=0.1))
    assert target.health_factor == pytest.approx(3.0)
    assert (
        target.leverage
        < size(a_model(), Observation(a_snapshot()), policy_with(min_health_factor=3.0)).leverage
    )


def test_below_leverage_one_the_rest_is_cash_and_there_is_no_debt() -> None:
    target = size(a_model(), Observation(a_snapshot()), policy_with(target_volatility=0.2))
    assert target.leverage < 1.0
    assert target.health_factor == math.inf
    assert target.volatility == pytest.approx(0.2)


def test_an_unknown_allocation_names_what_there_is() -> None:
    with pytest.raises(InvalidSetting, match=r"size.allocation is 'magic'"):
        size(a_model(), Observation(a_snapshot()), policy_with(allocation="magic"))


def test_a_negative_budget_names_the_asset() -> None:
    assets = (replace(some_assets()[0], budget=-0.1), *some_assets()[1:])
    with pytest.raises(InvalidBudgets, match="WBTC"):
        size(a_model(), Observation(a_snapshot()), a_policy(assets=assets))


@given(
    st.floats(0.05, 3.0), st.floats(0.2, 5.0), st.floats(1.05, 5.0), st.floats(0.0, 0.3), st.floats(0.0, 0.9)
)
@examples(60)
def test_every_bound_holds_at_every_target(
    volatility: float, cap: float, floor: float, buffer: float, loss: float
) -> None:
    policy = policy_with(
        target_volatility=volatility, max_leverage=cap, min_health_factor=floor, idle_buffer=buffer
    )
    target = size(a_model(worst_losses=((loss,) * 4,)), Observation(a_snapshot()), policy)
    assert target.leverage >= 0.0
    assert target.leverage <= cap
    assert target.volatility <= volatility * (1 + 1e-12)
    assert target.health_factor >= floor * (1 - 1e-9)


# ------------------------------------------------------- other allocations, caps


@pytest.mark.parametrize("allocation", sorted(ALLOCATIONS))
def test_every_allocation_is_levered_to_the_same_volatility_under_the_same_bounds(allocation: str) -> None:
    target = size(
        a_model(), Observation(a_snapshot()), policy_with(allocation=allocation, target_volatility=0.5)
    )
    assert target.binding == "target_volatility"
    assert target.volatility == pytest.approx(0.5)
    assert math.fsum(target.unit_weights) == pytest.approx(1.0, abs=1e-14)
    assert math.fsum(target.risk_shares) == pytest.approx(1.0, abs=1e-12)


def test_an_asset_that_is_not_held_does_not_limit_the_leverage() -> None:
    # Minimum variance holds WBTC and WETH alone; LINK's reserve is frozen and UNI is capped to nothing by its supply cap.
    snapshot = with_reserve(with_reserve(a_snapshot(), "LINK", frozen=True), "UNI", supply_cap=1)
    target = size(a_model(), Observation(snapshot), policy_with(allocation="minimum_variance"))
    bounds = {bound.name: bound.leverage for bound in target.bounds}
    assert target.unit_weights[2:] == target.weights[2:] == target.risk_shares[2:] == (0.0, 0.0)
    for symbol in ("LINK", "UNI"):
        assert bounds[f"supply_cap:{symbol}"] == bounds[f"weight_cap:{symbol}"] == math.inf
    assert target.leverage > 1.0


def test_an_asset_of_weight_zero_is_sold_and_the_target_then_kept() -> None:
    policy = policy_with(allocation="minimum_variance", target_volatility=0.4)
    model = a_model()
    held = a_snapshot(weights=(0.2, 0.2, 0.2, 0.2))
    target = size(model, Observation(held), policy)
    decision = decide(Observation(held), model, target, policy=policy, tightened=())
    assert decision.action is Action.REBALANCE
    assert decision.goal is not None
    assert decision.goal.weights[2:] == pytest.approx((0.0, 0.0), abs=1e-15)
    there = a_snapshot(weights=target.weights)
    settled = decide(
        Observation(there), model, size(model, Observation(there), policy), policy=policy, tightened=()
    )
    assert settled.action is Action.HOLD


def test_a_whole_assessment_runs_on_an_allocation_that_leaves_assets_out() -> None:
    snapshot = a_snapshot(weights=(0.3, 0.3, 0.2, 0.2))
    policy = policy_with(allocation="minimum_variance")
    assessment = assess(Observation(snapshot), some_bars(), policy)
    assert math.isfinite(assessment.target.leverage)
    assert min(assessment.target.weights) == 0.0


def test_caps_hold_at_leverage_one_and_those_that_bind_are_named() -> None:
    assets = tuple(
        replace(asset, max_share=0.12 if asset.symbol == "LINK" else 1.0) for asset in some_assets()
    )
    groups = (
        AssetGroup("majors", ("WBTC", "WETH"), 0.60),
        AssetGroup("all but one", ("WBTC", "WETH", "UNI"), 0.95),
    )
    target = size(
        a_model(), Observation(a_snapshot()), a_policy(assets=assets, size=a_size_policy(groups=groups))
    )
    assert target.binding_caps == ("max_share:LINK", "group:majors")
    assert target.unit_weights[2] == pytest.approx(0.12, abs=1e-15)
    assert target.unit_weights[0] + target.unit_weights[1] == pytest.approx(0.60, abs=1e-15)
    assert target.risk_shares[2] < target.budgets[2]


def test_caps_that_do_not_bind_change_nothing() -> None:
    free = size(a_model(), Observation(a_snapshot()), a_policy())
    assets = some_assets(max_share=0.5)
    assert size(a_model(), Observation(a_snapshot()), a_policy(assets=assets)) == free
    assert free.binding_caps == ()


def test_a_group_that_names_an_asset_without_a_model_is_refused() -> None:
    policy = policy_with(groups=(AssetGroup("defi", ("UNI", "AAVE"), 0.5),))
    with pytest.raises(InvalidSetting, match="group:defi names AAVE"):
        size(a_model(), Observation(a_snapshot()), policy)


def test_a_capped_target_is_stored_and_read_back() -> None:
    target = size(
        a_model(), Observation(a_snapshot()), policy_with(groups=(AssetGroup("defi", ("LINK", "UNI"), 0.3),))
    )
    assert target.binding_caps == ("group:defi",)
    assert decode(encode(target, TargetPortfolio), TargetPortfolio) == target


@pytest.mark.parametrize("allocation", sorted(ALLOCATIONS))
def test_what_the_settings_do_not_name_has_a_target_of_zero(allocation: str) -> None:
    model, policy = a_model(), policy_with(allocation=allocation)
    named = replace(policy, assets=policy.assets[:-1])
    target = size(model, Observation(a_snapshot(weights=(0.3, 0.3, 0.3, 0.3))), named.covering(model.symbols))
    assert target.budgets[-1] == target.weights[-1] == target.risk_shares[-1] == 0.0
    assert math.fsum(target.unit_weights) == pytest.approx(1.0)

    covariance = tuple(row[:-1] for row in model.covariance[:-1])
    alone = replace(
        model,
        symbols=model.symbols[:-1],
        covariance=covariance,
        assets=model.assets[:-1],
        worst_losses=tuple(loss[:-1] for loss in model.worst_losses),
    )
    without = size(alone, Observation(a_snapshot(weights=(0.3, 0.3, 0.3, 0.3))), named)
    assert target.weights[:-1] == pytest.approx(without.weights, rel=1e-12)

"""Every bound on leverage against a number worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.market import MarketSnapshot, RateCurve
from keeper.domain.model import Bound
from keeper.domain.policy import Scenario
from keeper.domain.portfolio import portfolio
from keeper.sizing import bounds
from keeper.sizing.bounds import (
    Basis,
    borrow_rate,
    debt_at_marginal_rate,
    leverage_at_health_factor,
    utilisation_at_rate,
)
from tests.factories import (
    DAY,
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    a_vault_asset,
    some_assets,
    with_block,
    with_holding,
    with_reserve,
    with_vault,
    with_vault_policy,
)

MILLION = 1_000_000 * 10**6


def a_basis(snapshot: MarketSnapshot | None = None, **changes: Any) -> Basis:
    """Unit weights a quarter each, liquidation threshold 0.8, LTV 0.75, volatility 0.5 at leverage 1; NAV 1 M USD."""
    size_changes = {name: changes.pop(name) for name in list(changes) if name in a_size_policy().__slots__}
    seen = snapshot or a_snapshot()
    basis = Basis(
        model=a_model(),
        snapshot=seen,
        policy=a_policy(size=a_size_policy(**size_changes)),
        nav_usd=portfolio(seen).nav_usd,
        unit_weights=(0.25, 0.25, 0.25, 0.25),
        unit_volatility=0.5,
        liquidation_thresholds=(0.8, 0.8, 0.8, 0.8),
        ltv=0.75,
    )
    return replace(basis, **changes)


def about(expected: float, bound: Bound) -> bool:
    return bound.leverage == pytest.approx(expected, rel=1e-9)


# ------------------------------------------------------- closed-form formulas


def test_target_volatility_over_volatility_at_leverage_one() -> None:
    assert about(1.6, bounds.target_volatility(a_basis(target_volatility=0.8)))
    assert about(0.5, bounds.target_volatility(a_basis(target_volatility=0.25)))


def test_policy_cap_is_the_settings_number() -> None:
    assert about(2.5, bounds.policy_cap(a_basis(max_leverage=2.5)))


def test_health_factor_of_quant_section_5() -> None:
    # LT 0.8, H 1.8: 1.8 / (1.8 - 0.8) = 1.8
    assert about(1.8, bounds.health_factor(a_basis(min_health_factor=1.8)))


def test_health_factor_with_an_idle_buffer_of_a_tenth() -> None:
    # Debt L - 0.9: 1.62·0.8 / 0.72 = 1.8
    assert about(1.62, bounds.health_factor(a_basis(min_health_factor=1.8, idle_buffer=0.1)))


def test_the_vaults_health_factor_floor_wins_when_it_is_higher() -> None:
    snapshot = with_vault_policy(a_snapshot(), min_health=1_800_000_000_000_000_000)
    assert about(1.8, bounds.health_factor(a_basis(snapshot, min_health_factor=1.4)))


@given(st.floats(1.01, 5), st.floats(0.1, 0.95), st.floats(0, 0.5), st.floats(0, 0.9))
def test_at_the_bound_the_health_factor_is_the_floor(h: float, lt: float, buffer: float, loss: float) -> None:
    leverage = leverage_at_health_factor(h, (1 - loss) * lt, buffer)
    debt = leverage - 1 + buffer
    if debt > 1e-9:
        assert leverage * (1 - loss) * lt / debt == pytest.approx(h, rel=1e-5)


def test_stress_takes_a_named_scenario_when_it_is_the_worst() -> None:
    # h 1.05, q 0.4, LT 0.8: 1.05 / (1.05 - 0.48) = 1.842105
    bound = bounds.stress(a_basis(scenarios=(Scenario("crash", 0.4), Scenario("dip", 0.1))))
    assert about(1.05 / 0.57, bound)
    assert "40.0% (crash)" in bound.detail


def test_stress_takes_the_standard_deviations_when_they_are_the_worst() -> None:
    # 10 · 0.5 · sqrt(1/365) = 0.261712; 1.05 / (1.05 - 0.738288·0.8) = 2.2853
    bound = bounds.stress(a_basis(scenarios=(), stress_sigmas=10.0, time_to_act_s=DAY))
    assert about(1.05 / (1.05 - (1 - 10 * 0.5 / math.sqrt(365)) * 0.8), bound)
    assert "10 standard deviations in 24 h" in bound.detail


def test_stress_takes_the_worst_of_history_when_it_is_the_worst() -> None:
    bound = bounds.stress(a_basis(model=a_model(worst_losses=((0.5,) * 4,))))
    assert about(1.05 / 0.65, bound)
    assert "50.0% (worst in the history)" in bound.detail


def test_a_scenario_may_lose_differently_by_asset_and_the_others_lose_the_same() -> None:
    # Quarters of LT 0.8 less 10 %, 60 %, and 40 % twice: 0.8 · (1 - 0.375) = 0.5
    crash = Scenario("crash", 0.4, (("WBTC", 0.1), ("WETH", 0.6), ("PAXG", 0.9)))
    bound = bounds.stress(a_basis(scenarios=(crash,)))
    assert about(1.05 / 0.55, bound)
    assert "37.5% (crash)" in bound.detail


def test_the_worst_of_history_is_that_of_the_target_portfolio() -> None:
    # One day cost UNI 40 %, another all assets 28 %. With quarters the second is worse, with UNI at 91 % the first.
    model = a_model(worst_losses=((0.0, 0.0, 0.0, 0.4), (0.28, 0.28, 0.28, 0.28)))
    quarters = bounds.stress(a_basis(model=model, scenarios=()))
    assert "28.0% (worst in the history)" in quarters.detail
    mostly_uni = bounds.stress(a_basis(model=model, scenarios=(), unit_weights=(0.03, 0.03, 0.03, 0.91)))
    assert about(1.05 / (1.05 - (1 - 0.364) * 0.8), mostly_uni)
    assert "36.4% (worst in the history)" in mostly_uni.detail


def test_a_loss_counts_by_the_liquidation_threshold_of_its_asset() -> None:
    # The same 50 % on a quarter: 0.7 is left of 0.8 where the threshold is 0.8, 0.6 where it is 1.6 times the others'.
    thresholds = (0.8, 0.8, 0.8, 0.4)
    for symbol, kept in (("WBTC", 0.6), ("UNI", 0.65)):
        scenario = Scenario("crash", 1e-12, ((symbol, 0.5),))
        bound = bounds.stress(
            a_basis(
                model=a_model(worst_losses=()),
                scenarios=(scenario,),
                stress_sigmas=0.0,
                liquidation_thresholds=thresholds,
            )
        )
        assert about(1.05 / (1.05 - kept), bound)


def test_a_stress_that_loses_everything_allows_no_debt() -> None:
    assert about(1.0, bounds.stress(a_basis(scenarios=(), stress_sigmas=60.0)))


def test_borrowing_power_is_the_geometric_sum_of_the_ltv() -> None:
    assert about(4.0, bounds.borrowing_power(a_basis()))
    assert about(3.6, bounds.borrowing_power(a_basis(idle_buffer=0.1)))


def test_the_vaults_leverage_cap_is_kept_even_after_the_largest_loss() -> None:
    # 3.0 · (1 - 1 %)
    assert about(2.97, bounds.vault_leverage(a_basis()))


def test_the_vaults_health_factor_is_kept_even_after_the_largest_loss() -> None:
    # 1.2 · 0.99 / (1.2 - 0.8) = 2.97
    assert about(2.97, bounds.vault_health_factor(a_basis()))


def test_a_weight_cap_bounds_the_leverage_of_the_whole() -> None:
    policy = a_policy(assets=some_assets(max_weight=0.5))
    found = {bound.name: bound for bound in bounds.weight_caps(a_basis(policy=policy))}
    assert list(found) == ["weight_cap:WBTC", "weight_cap:WETH", "weight_cap:LINK", "weight_cap:UNI"]
    assert about(2.0, found["weight_cap:LINK"])


def test_the_vaults_weight_cap_is_kept_even_after_the_largest_loss() -> None:
    snapshot = with_vault(a_snapshot(), assets=(a_vault_asset("WBTC", max_weight_bps=5_000),))
    found = {bound.name: bound for bound in bounds.weight_caps(a_basis(snapshot))}
    assert about(0.5 * 0.99 / 0.25, found["weight_cap:WBTC"])
    assert about(0.0, found["weight_cap:UNI"])


# ------------------------------------------------------------- market limits


def supply_cap(snapshot: MarketSnapshot, symbol: str, **changes: Any) -> Bound:
    found = {bound.name: bound for bound in bounds.supply_caps(a_basis(snapshot, **changes))}
    return found[f"supply_cap:{symbol}"]


def test_a_supply_cap_leaves_our_share_of_what_is_free() -> None:
    # Room 100 WBTC at 25,100 USD, a tenth of it is 251,000 USD: a quarter of NAV at leverage 1.004.
    snapshot = with_reserve(a_snapshot(), "WBTC", supply_cap=1_100, supplied=1_000 * 10**8)
    assert about(0.251 / 0.25, supply_cap(snapshot, "WBTC"))
    assert about(math.inf, supply_cap(with_reserve(a_snapshot(), "WBTC", supply_cap=0), "WBTC"))


def test_what_is_supplied_already_may_stay_when_the_cap_is_full() -> None:
    snapshot = with_holding(a_snapshot(), "WBTC", supplied=20 * 10**8)
    full = with_reserve(snapshot, "WBTC", supply_cap=1_000, supplied=1_000 * 10**8)
    nav = portfolio(full).nav_usd
    assert about(20 * 25_100 / nav / 0.25, supply_cap(full, "WBTC"))


@pytest.mark.parametrize("change", [{"frozen": True}, {"paused": True}, {"active": False}, {"ltv_bps": 0}])
def test_a_closed_reserve_has_no_free_supply(change: dict[str, bool]) -> None:
    assert about(0.0, supply_cap(with_reserve(a_snapshot(), "LINK", **change), "LINK"))


def test_an_asset_the_vault_has_disabled_is_not_bought() -> None:
    assets = tuple(
        a_vault_asset(symbol, enabled=symbol != "LINK") for symbol in ("WBTC", "WETH", "LINK", "UNI")
    )
    bound = supply_cap(with_vault(a_snapshot(), assets=assets), "LINK")
    assert about(0.0, bound)
    assert "disabled" in bound.detail


def test_a_borrow_cap_leaves_our_share_of_what_is_free() -> None:
    # Room 4 M USDC, a tenth of it is 0.4 NAV of debt.
    snapshot = with_reserve(a_snapshot(), "USDC", borrow_cap=14_000_000, borrowed=10 * MILLION)
    assert about(1.4, bounds.borrow_cap(a_basis(snapshot)))
    assert about(1.35, bounds.borrow_cap(a_basis(snapshot, idle_buffer=0.05)))
    assert about(math.inf, bounds.borrow_cap(a_basis(with_reserve(snapshot, "USDC", borrow_cap=0))))


@pytest.mark.parametrize(
    "change", [{"borrowing_enabled": False}, {"frozen": True}, {"paused": True}, {"active": False}]
)
def test_where_nothing_can_be_borrowed_the_debt_may_only_stay(change: dict[str, bool]) -> None:
    assert about(1.0, bounds.borrow_cap(a_basis(with_reserve(a_snapshot(), "USDC", **change))))
    levered = with_reserve(a_snapshot(weights=(0.4, 0.4, 0.4, 0.4)), "USDC", **change)
    assert about(1.6, bounds.borrow_cap(a_basis(levered)))


def test_liquidity_leaves_our_share_of_what_can_be_lent() -> None:
    snapshot = with_reserve(a_snapshot(), "USDC", available=3 * MILLION)
    assert about(1.3, bounds.liquidity(a_basis(snapshot)))
    assert about(1.75, bounds.liquidity(a_basis(snapshot, market_share=0.25)))


def test_debt_that_is_there_already_may_stay_when_liquidity_is_gone() -> None:
    levered = with_reserve(a_snapshot(weights=(0.4, 0.4, 0.4, 0.4)), "USDC", available=0)
    assert about(1.6, bounds.liquidity(a_basis(levered)))


def test_debt_that_is_there_already_may_stay_above_the_highest_utilisation() -> None:
    levered = with_reserve(
        a_snapshot(weights=(0.4, 0.4, 0.4, 0.4)), "USDC", borrowed=99 * MILLION // 10, available=MILLION // 10
    )
    # 9.9 of 10 M lent, 9.2 M allowed: without our 0.6 M it would still be too much.
    assert about(1.6, bounds.utilisation(a_basis(levered)))


def test_part_of_a_raw_unit_is_not_borrowed() -> None:
    snapshot = with_reserve(a_snapshot(), "USDC", available=19)
    assert bounds.liquidity(a_basis(snapshot)).leverage == 1.0 + 1e-6 / 1e6
    snapshot = with_reserve(a_snapshot(), "USDC", available=9)
    assert bounds.liquidity(a_basis(snapshot)).leverage == 1.0


def test_utilisation_counts_our_own_borrowing() -> None:
    # 8 of 10 M lent; 92 % is 9.2 M: 1.2 M more.
    snapshot = with_reserve(a_snapshot(), "USDC", borrowed=8 * MILLION, available=2 * MILLION)
    assert about(2.2, bounds.utilisation(a_basis(snapshot)))


def test_carry_counts_what_our_own_borrowing_does_to_the_rate() -> None:
    # 5.5 % at 92 %, 40.5 % at 100 %: 23 % at 96 %, which is 9.6 of 10 M: 1.6 M more.
    snapshot = with_reserve(a_snapshot(), "USDC", borrowed=8 * MILLION, available=2 * MILLION)
    bound = bounds.carry(a_basis(snapshot, max_borrow_rate=0.23))
    assert about(2.6, bound)
    assert "96.0% of USDC lent, now 80.0%" in bound.detail
    assert about(math.inf, bounds.carry(a_basis(snapshot, max_borrow_rate=0.5)))


def test_an_expensive_loan_is_repaid() -> None:
    levered = with_reserve(
        a_snapshot(weights=(0.4, 0.4, 0.4, 0.4)), "USDC", borrowed=99 * MILLION // 10, available=MILLION // 10
    )
    # 9.9 of 10 M lent, 23 % needs 9.6 M: 0.3 of our 0.6 M go.
    assert about(1.3, bounds.carry(a_basis(levered, max_borrow_rate=0.23)))


def with_supply_rate(snapshot: MarketSnapshot, rate: float) -> MarketSnapshot:
    for symbol in snapshot.risk_symbols:
        snapshot = with_reserve(snapshot, symbol, supply_rate=rate)
    return snapshot


CALM_MARKET = with_supply_rate(
    with_reserve(a_snapshot(), "USDC", borrowed=8 * MILLION, available=2 * MILLION), 0.0
)
"""8 of 10 M USDC are lent at 5.5 % · 80/92 = 4.7826 %; our 1 M of NAV owes nothing. Collateral is paid nothing."""


def test_carry_worth_is_off_without_a_reward() -> None:
    bound = bounds.carry_worth(a_basis(CALM_MARKET))
    assert about(math.inf, bound)
    assert bound.detail == "size.reward_per_risk is 0"


def test_carry_worth_stops_where_the_next_unit_of_debt_costs_what_it_earns() -> None:
    # 0.1 · 50 % is 5 %. Marginal: (8 + 2 d) / 10 · 5.5 / 92 % = 5 %, so d = 0.1818 M.
    assert about(
        1.0 + (0.05 * 0.92 / 0.055 * 10 - 8) / 2,
        bounds.carry_worth(a_basis(CALM_MARKET, reward_per_risk=0.1)),
    )
    # Beyond the kink at 9.2 M lent the curve is steeper: 5.5 % + (U - 92 %) · 35/8 + d · 35/80 %, 50 % at d = 1.108 M.
    steep = 0.35 / 0.08
    expected = (0.5 - 0.055 - steep * (0.8 - 0.92)) * 10 / (2 * steep)
    found = bounds.carry_worth(a_basis(CALM_MARKET, reward_per_risk=1.0))
    assert about(1.0 + max(1.2, expected), found)


def test_where_the_first_unit_of_debt_costs_more_than_it_earns_leverage_is_one() -> None:
    assert about(1.0, bounds.carry_worth(a_basis(CALM_MARKET, reward_per_risk=0.09)))
    levered = with_reserve(
        a_snapshot(weights=(0.4, 0.4, 0.4, 0.4)),
        "USDC",
        borrowed=86 * MILLION // 10,
        available=14 * MILLION // 10,
    )
    assert about(1.0, bounds.carry_worth(a_basis(with_supply_rate(levered, 0.0), reward_per_risk=0.09)))


def test_what_the_collateral_is_paid_pays_for_debt() -> None:
    bound = bounds.carry_worth(a_basis(with_supply_rate(CALM_MARKET, 0.01), reward_per_risk=0.08))
    assert about(bounds.carry_worth(a_basis(CALM_MARKET, reward_per_risk=0.1)).leverage, bound)
    assert "and 1.0% yield" in bound.detail


def test_what_an_asset_earns_by_itself_pays_for_debt_as_its_supply_rate_does() -> None:
    basis = a_basis(CALM_MARKET, reward_per_risk=0.08)
    staked = tuple(replace(asset, yearly_yield=0.01) for asset in basis.policy.assets)
    earning = replace(basis, policy=replace(basis.policy, assets=staked))
    supplied = a_basis(with_supply_rate(CALM_MARKET, 0.01), reward_per_risk=0.08)
    assert bounds.carry_worth(earning).leverage == bounds.carry_worth(supplied).leverage


def test_an_empty_vault_has_no_market_limits() -> None:
    empty = a_snapshot(nav_usd=0.0)
    for bound in (bounds.liquidity(a_basis(empty)), bounds.carry(a_basis(empty)), supply_cap(empty, "WBTC")):
        assert bound.leverage == math.inf


# ---------------------------------------------------------------- rate curve

CURVES = (RateCurve(0.92, 0.0, 0.055, 0.35), RateCurve(0.45, 0.01, 0.04, 3.0), RateCurve(0.8, 0.02, 0.0, 0.6))


def test_the_rate_curve_by_hand() -> None:
    curve = RateCurve(0.8, 0.01, 0.04, 0.6)
    expected = {0.0: 0.01, 0.4: 0.03, 0.8: 0.05, 0.9: 0.35, 1.0: 0.65}
    assert expected == {u: pytest.approx(borrow_rate(curve, u)) for u in expected}


@pytest.mark.parametrize("curve", CURVES)
@given(rate=st.floats(0, 4))
def test_at_the_utilisation_found_the_rate_is_the_limit(curve: RateCurve, rate: float) -> None:
    used = utilisation_at_rate(curve, rate)
    assert 0.0 <= used <= 1.0
    if 0.0 < used < 1.0:
        assert borrow_rate(curve, used) == pytest.approx(rate, abs=1e-9)
    elif used == 0.0:
        assert rate <= curve.base + 1e-9


@pytest.mark.parametrize("curve", CURVES)
@given(rate=st.floats(0, 6), others=st.floats(0, 9.9))
def test_up_to_the_debt_found_each_unit_costs_at_most_the_rate_and_the_next_costs_more(
    curve: RateCurve, rate: float, others: float
) -> None:
    lendable = 10.0
    debt = debt_at_marginal_rate(curve, rate, others=others, lendable=lendable)
    assert 0.0 <= debt <= lendable - others + 1e-12

    def yearly_cost(owed: float) -> float:
        return owed * borrow_rate(curve, min(1.0, (others + owed) / lendable))

    step = 1e-4
    if debt >= step:
        assert yearly_cost(debt) - yearly_cost(debt - step) <= (rate + 1e-6) * step
    if debt + step <= lendable - others:
        assert yearly_cost(debt + step) - yearly_cost(debt) >= (rate - 1e-6) * step


def test_every_bound_is_listed_once() -> None:
    names = [bound.name for bound in bounds.all_bounds(a_basis(with_block(a_snapshot())))]
    assert len(names) == len(set(names))

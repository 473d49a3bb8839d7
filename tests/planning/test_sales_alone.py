"""Plans that only sell, while a price is not trusted: by which vault call, and at which prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.domain.decision import Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot, Round, Trust
from keeper.domain.plan import RebalancePlan, StepKind, VaultCall
from keeper.domain.units import BPS
from keeper.planning.verify import verify
from tests.factories import (
    DAY,
    NOW,
    a_policy,
    a_simulation,
    a_size_policy,
    a_snapshot,
    with_account,
    with_feed,
    with_holding,
    with_market_move,
    with_redemptions,
    with_reserve,
)
from tests.planning.ledger import Ledger, a_decision, as_quoted
from tests.planning.plans import planned

POLICY = a_policy()
HELD = (0.5, 0.5, 0.4, 0.3)
SOLD = (0.3, 0.4, 0.4, 0.3)


def sales(snapshot: MarketSnapshot, weights: tuple[float, ...] = SOLD) -> Decision:
    return replace(a_decision(snapshot, weights), sells_only=True)


def stale(snapshot: MarketSnapshot, symbol: str = "LINK") -> MarketSnapshot:
    """Older than the vault accepts."""
    latest = Round(1, snapshot.price(symbol), NOW - 2 * DAY)
    return with_feed(snapshot, symbol, round=latest, trust=Trust.STALE)


def dead(snapshot: MarketSnapshot, symbol: str = "LINK") -> MarketSnapshot:
    return with_feed(snapshot, symbol, round=Round(1, 0, NOW), trust=Trust.DEAD)


def passes(plan: RebalancePlan, decision: Decision, snapshot: MarketSnapshot) -> bool:
    return verify(plan, a_simulation(post=plan.expected), snapshot, decision, POLICY).passed


def test_where_the_vault_accepts_the_prices_its_rebalance_takes_the_sales() -> None:
    snapshot = with_feed(a_snapshot(weights=HELD), "LINK", trust=Trust.SUSPECT)
    plan = planned(sales(snapshot), snapshot, POLICY)
    assert plan.call is VaultCall.REBALANCE
    assert passes(plan, sales(snapshot), snapshot)


@pytest.mark.parametrize("degraded", [stale, dead])
@pytest.mark.parametrize("symbol", ["WBTC", "USDC"])
def test_where_rebalance_reverts_deleverage_takes_them(
    degraded: Callable[[MarketSnapshot, str], MarketSnapshot], symbol: str
) -> None:
    snapshot = degraded(a_snapshot(weights=HELD), symbol)
    decision = sales(snapshot)
    plan = planned(decision, snapshot, POLICY)
    assert plan.call is VaultCall.DELEVERAGE
    moved = {step.kind for step in plan.steps if step.route is None}
    assert moved <= {StepKind.WITHDRAW, StepKind.REPAY}
    assert {step.symbol for step in plan.steps if step.route} == {"WBTC", "WETH"}
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert ledger.weights()[2:] == pytest.approx(HELD[2:], rel=0.01)
    assert passes(plan, decision, snapshot)


@pytest.mark.parametrize("degraded", [stale, dead])
def test_a_price_of_what_is_not_sold_does_not_matter(
    degraded: Callable[[MarketSnapshot, str], MarketSnapshot],
) -> None:
    snapshot = degraded(a_snapshot(weights=HELD), "LINK")
    assert planned(sales(snapshot), snapshot, POLICY).call is VaultCall.REBALANCE


def test_where_the_sales_end_below_the_vaults_floor_deleverage_takes_them() -> None:
    snapshot = with_market_move(a_snapshot(weights=(0.5, 0.5, 0.5, 0.5)), 0.79)
    weights = Ledger(snapshot).weights()
    little = (weights[0] * 0.95, *weights[1:])
    plan = planned(sales(snapshot, little), snapshot, POLICY)
    assert plan.call is VaultCall.DELEVERAGE
    assert plan.expected.health_factor < snapshot.vault.policy.min_health / 1e18
    assert passes(plan, sales(snapshot, little), snapshot)
    with pytest.raises(NothingFeasible, match="the floor is 1.200"):
        planned(a_decision(snapshot, little), snapshot, POLICY)


def test_sales_that_raise_the_health_factor_may_end_below_the_settings_floor() -> None:
    snapshot = with_market_move(a_snapshot(weights=(0.5, 0.5, 0.5, 0.5)), 0.85)
    weights = Ledger(snapshot).weights()
    little = (weights[0] * 0.9, *weights[1:])
    plan = planned(sales(snapshot, little), snapshot, POLICY)
    assert plan.call is VaultCall.REBALANCE
    assert plan.expected.health_factor < POLICY.size.min_health_factor
    assert passes(plan, sales(snapshot, little), snapshot)


def test_more_than_the_debt_is_sold_and_the_rest_stays_idle() -> None:
    snapshot = stale(a_snapshot(weights=(0.5, 0.3, 0.2, 0.1)), "WBTC")
    plan = planned(sales(snapshot, (0.3, 0.3, 0.2, 0.1)), snapshot, POLICY)
    assert plan.call is VaultCall.DELEVERAGE
    assert plan.expected.leverage == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("feed", "opinion", "lowest"), [(1.0, 0.95, 0.95), (1.0, 1.05, 1.0), (1.04, 1.0, 1.0)]
)
def test_a_doubtful_asset_is_sold_for_the_lowest_of_its_sources(
    feed: float, opinion: float, lowest: float
) -> None:
    base = a_snapshot(weights=HELD)
    price = base.price("WBTC")
    reading = {
        "round": Round(1, round(price * feed), NOW),
        "lowest_opinion": round(price * opinion),
        "highest_opinion": round(price * opinion),
    }
    fresh = with_feed(base, "WBTC", **reading)
    doubtful = with_account(with_feed(fresh, "WBTC", trust=Trust.SUSPECT))
    assert fresh.exit_price("WBTC") == round(price * feed)
    assert doubtful.exit_price("WBTC") == round(price * lowest)
    assert doubtful.entry_price("WBTC") == round(price * max(feed, opinion, 1.0))


def test_its_minimum_output_is_near_the_quote_although_a_source_is_far_below() -> None:
    snapshot = a_snapshot(weights=HELD)
    price = snapshot.price("WBTC")
    snapshot = with_feed(
        snapshot, "WBTC", trust=Trust.SUSPECT, lowest_opinion=price // 2, highest_opinion=price // 2
    )
    plan = planned(sales(snapshot), snapshot, POLICY)
    (swap,) = (step for step in plan.steps if step.route and step.symbol == "WBTC")
    assert swap.limit >= swap.expected_out * (BPS - POLICY.plan.public_tolerance_bps) // BPS


def test_an_asset_without_a_feed_price_counts_at_the_lending_markets() -> None:
    snapshot = dead(a_snapshot(weights=HELD))
    market = with_reserve(snapshot, "LINK", market_price=snapshot.reserve("LINK").market_price * 2)
    assert Ledger(snapshot).weights()[2] == pytest.approx(0.4)
    assert market.price("LINK") == 2 * snapshot.price("LINK")


def test_without_debt_there_is_no_deleverage() -> None:
    snapshot = stale(with_holding(a_snapshot(weights=(0.5, 0.0, 0.2, 0.1)), "USDC", owed=0), "WBTC")
    plan = planned(sales(snapshot, (0.3, 0.0, 0.2, 0.1)), snapshot, POLICY)
    assert plan.call is VaultCall.REBALANCE


@pytest.mark.parametrize("queued", [0.0, 0.02, 0.1, 0.4])
@pytest.mark.parametrize("buffer", [0.0, 0.03])
def test_nothing_is_borrowed_for_redemptions_or_the_idle_buffer(queued: float, buffer: float) -> None:
    policy = a_policy(size=a_size_policy(idle_buffer=buffer))
    snapshot = with_feed(a_snapshot(weights=HELD), "LINK", trust=Trust.SUSPECT)
    snapshot = with_redemptions(snapshot, queued)
    plan = planned(sales(snapshot), snapshot, policy)
    assert all(step.kind is not StepKind.BORROW for step in plan.steps)
    assert plan.expected.leverage < sum(HELD)

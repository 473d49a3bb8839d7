"""Where the vault is: weights in the model's order, shares of risk, what is queued."""

from __future__ import annotations

import pytest

from tests.decision.positions import a_position
from tests.factories import (
    CORRELATION,
    RISK_SYMBOLS,
    VOLATILITIES,
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_aave_account,
    with_market_move,
    with_redemptions,
)

WEIGHTS = (0.4, 0.3, 0.2, 0.1)


def test_a_model_in_another_order_gives_the_same_position_in_its_order() -> None:
    backwards = a_model(
        symbols=RISK_SYMBOLS[::-1],
        volatilities=VOLATILITIES[::-1],
        correlation=[row[::-1] for row in CORRELATION[::-1]],
    )
    plain, turned = (
        a_position(a_snapshot(weights=WEIGHTS)),
        a_position(a_snapshot(weights=WEIGHTS), model=backwards),
    )
    assert turned.current.weights == plain.current.weights[::-1]
    assert turned.current.risk_shares == pytest.approx(plain.current.risk_shares[::-1])
    assert turned.current.volatility == pytest.approx(plain.current.volatility)
    assert turned.tracking_error == pytest.approx(plain.tracking_error)
    assert turned.liquidation_thresholds == plain.liquidation_thresholds[::-1]


def test_cash_to_hold_is_the_queue_and_the_buffer_of_the_rest() -> None:
    position = a_position(with_redemptions(a_snapshot(), 0.4), a_policy(size=a_size_policy(idle_buffer=0.1)))
    assert position.queued == pytest.approx(0.4)
    assert position.cash == pytest.approx(0.4 + 0.6 * 0.1)


def test_a_vault_that_owes_more_than_it_holds_trades_nothing() -> None:
    snapshot = with_market_move(a_snapshot(weights=(1.0, 1.0, 0.5, 0.5)), 0.3)
    position = a_position(snapshot)
    assert position.held.nav_usd < 0.0
    assert position.sizes_usd((0.5, 0.5, 0.5, 0.5)) == (0.0, 0.0, 0.0, 0.0)


def test_sizes_and_costs_are_of_each_assets_change() -> None:
    position = a_position(a_snapshot(weights=WEIGHTS, nav_usd=500_000.0))
    goal = (0.5, 0.3, 0.1, 0.1)
    assert position.sizes_usd(goal) == pytest.approx((50_000, 0, 50_000, 0), abs=0.01)
    assert position.costs_bps(goal) == (20.0, 20.0, 20.0, 20.0)


def test_thresholds_over_several_accounts_are_those_of_where_each_asset_stands() -> None:
    """Half of the WETH is in an eMode of 93 %. An empty account of 95 % raises nothing."""
    first = a_snapshot(weights=WEIGHTS, nav_usd=100_000.0)
    alone = a_position(first).liquidation_thresholds
    held = with_aave_account(first, {"WETH": 30_000.0}, 10_000.0, threshold_bps=9_300)
    position = a_position(with_aave_account(held, {}, 0.0, threshold_bps=9_500))
    assert position.liquidation_thresholds == pytest.approx(
        (alone[0], (alone[1] + 0.93) / 2.0, alone[2], alone[3])
    )
    nowhere = a_position(
        with_aave_account(a_snapshot(weights=(0.4, 0.0, 0.2, 0.1)), {}, 0.0, threshold_bps=9_300)
    )
    assert nowhere.liquidation_thresholds[1] == pytest.approx(alone[1])

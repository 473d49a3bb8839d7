"""The figures of a summary, on results small enough to check by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeper.backtest.engine import backtest
from keeper.backtest.holdings import HOLDINGS, PassiveHolding, held
from keeper.backtest.ledger import COST_FIELDS
from keeper.backtest.result import BacktestResult, Costs
from keeper.backtest.statistics import (
    daily_returns,
    drawdowns,
    rolling_volatility,
    share_dispersion,
    summarise,
    volatility,
)
from tests.backtest.paths import FIRST, a_backtest_policy, a_path, a_venue

DAY = 86_400


def a_result(nav: np.ndarray, **changes: Any) -> BacktestResult:
    """Hourly, from a day's close on; two assets held in equal parts."""
    bars = nav.size
    result = BacktestResult(
        name="made up",
        source="made up",
        symbols=("WBTC", "WETH"),
        at_closes=(),
        budgets=(0.5, 0.5),
        times=1_640_995_200 + 3_600 * np.arange(bars, dtype=np.int64),
        bar_seconds=3_600,
        closes=np.ones((bars, 2)),
        nav_usd=nav,
        weights=np.full((bars, 2), 0.5),
        risk_shares=np.full((bars, 2), 0.5),
        leverage=np.ones(bars),
        target_leverage=np.ones(bars),
        binding=np.zeros(bars, dtype=np.int16),
        binding_names=("target_volatility",),
        health_factor=np.full(bars, 2.0),
        low_health_factor=np.full(bars, 1.9),
        health_factor_floor=1.4,
        forecast_volatility=np.full(bars, 0.8),
        target_volatility=np.full(bars, 0.8),
        policy_volatility=0.8,
        events=(),
        costs=Costs(),
        cost_path=np.zeros((bars, len(COST_FIELDS))),
        notes=(),
        tracking_error=np.zeros(bars),
    )
    return replace(result, **changes)


def test_drawdown_is_the_loss_since_the_highest_value() -> None:
    assert drawdowns(np.array([1.0, 2.0, 1.0, 1.5, 3.0])) == pytest.approx([0, 0, 0.5, 0.25, 0])


def test_days_are_those_of_utc() -> None:
    nav = np.exp(np.arange(73) / 24 * 0.01)
    assert daily_returns(a_result(nav)) == pytest.approx([0.01, 0.01, 0.01])


def test_volatility_is_annualised_with_365_days() -> None:
    assert volatility(np.array([0.01, -0.01])) == pytest.approx(0.01 * math.sqrt(2) * math.sqrt(365))
    rolled = rolling_volatility(np.array([0.0, 0.01, -0.01, 0.01]), 2)
    assert math.isnan(rolled[0])
    assert rolled[2] == pytest.approx(volatility(np.array([0.01, -0.01])))


def test_costs_are_parts_of_the_nav_they_were_paid_from() -> None:
    bars = 8_761
    nav = np.where(np.arange(bars) < 4_380, 100.0, 200.0)
    path = np.zeros((bars, len(COST_FIELDS)))
    path[1_000:, COST_FIELDS.index("gas")] += 1.0
    path[5_000:, COST_FIELDS.index("pool_fees")] += 4.0
    path[5_000:, COST_FIELDS.index("borrow_interest")] += 2.0
    path[5_000:, COST_FIELDS.index("interest_earned")] += 1.0
    summary = summarise(a_result(nav, cost_path=path))
    assert summary.cost_bps == pytest.approx(100 + 200)
    assert summary.interest_bps == pytest.approx(50)


def test_risk_shares_on_budget_have_no_dispersion() -> None:
    nav = np.full(48, 100.0)
    assert share_dispersion(a_result(nav)) == 0.0
    off = np.tile([0.6, 0.4], (48, 1))
    assert share_dispersion(a_result(nav, risk_shares=off)) == pytest.approx(0.1)
    assert math.isnan(share_dispersion(a_result(nav, risk_shares=np.zeros((48, 2)))))


def test_an_asset_that_was_sold_is_off_its_budget_and_one_not_held_yet_is_not() -> None:
    alone, both = np.tile([1.0, 0.0], (24, 1)), np.tile([0.5, 0.5], (24, 1))
    nav = np.full(48, 100.0)
    assert share_dispersion(a_result(nav, risk_shares=np.concatenate([alone, both]))) == 0.0
    sold = share_dispersion(a_result(nav, risk_shares=np.concatenate([both, alone])))
    assert sold == pytest.approx(math.sqrt(0.5 * 0.5**2))


def test_a_flat_or_short_result_has_no_sharpe_and_no_warning() -> None:
    for bars in (1, 2, 60):
        summary = summarise(a_result(np.full(bars, 100.0)))
        assert math.isnan(summary.sharpe)
        assert summary.max_drawdown == 0.0


def test_a_vault_that_is_wiped_out_has_a_drawdown_of_all() -> None:
    nav = np.concatenate([np.full(50, 100.0), np.zeros(50)])
    summary = summarise(a_result(nav))
    assert summary.max_drawdown == 1.0
    assert summary.growth == -1.0
    assert math.isnan(summary.realised_volatility)


@pytest.mark.slow
def test_a_backtest_is_summarised() -> None:
    result = backtest(a_path(), a_backtest_policy(), a_venue(), "strategy")
    summary = summarise(result)
    assert summary.target_volatility == 0.8
    assert 0.5 < summary.realised_volatility < 1.1
    assert summary.trades > 0
    assert summary.turnover > 0
    assert summary.cost_bps > 0
    assert summary.liquidations == 0


def test_a_holding_earns_what_its_asset_does() -> None:
    path = a_path()
    result = held(path, a_backtest_policy(), a_venue(), HOLDINGS[1])
    assert result is not None
    growth = path.closes[-1, 0] / path.closes[FIRST, 0]
    assert result.nav_usd[-1] / result.nav_usd[0] == pytest.approx(growth)
    assert result.nav_usd[0] == pytest.approx(250_000 * (1 - 0.003), rel=1e-5)
    assert summarise(result).sharpe == pytest.approx(summarise(replace(result, name="again")).sharpe)


def test_a_holding_of_several_returns_to_its_shares_every_thirty_days() -> None:
    path = a_path(bars=FIRST + 40 * 24)
    result = held(path, a_backtest_policy(), a_venue(), HOLDINGS[3])
    assert result is not None
    assert result.weights[0, :2] == pytest.approx([0.3, 0.3])
    assert result.weights[30 * 24, :2] == pytest.approx([0.3, 0.3])
    assert abs(result.weights[30 * 24 - 1, 0] - 0.3) > 1e-3
    assert result.costs.pool_fees > 0


def test_the_passive_equal_weight_owes_nothing_and_lets_an_asset_join_at_the_next_rebalancing() -> None:
    late = a_path(bars=FIRST + 65 * 24)
    closes = late.closes.copy()
    closes[: 10 * 24, 2] = np.nan
    result = held(replace(late, closes=closes, lows=closes), a_backtest_policy(), a_venue(), HOLDINGS[0])
    assert result is not None
    n = len(late.symbols)
    assert result.weights[0] == pytest.approx([1 / (n - 1) if place != 2 else 0.0 for place in range(n)])
    assert result.weights[30 * 24 - 1, 2] == 0.0
    assert result.weights[30 * 24] == pytest.approx([1 / n] * n)
    assert result.leverage.max() == pytest.approx(1.0)
    assert [event.cause for event in result.events] == ["first purchase", "month", "month"]


def test_a_holding_says_what_it_traded_and_paid() -> None:
    result = held(a_path(bars=FIRST + 40 * 24), a_backtest_policy(), a_venue(), HOLDINGS[3])
    assert result is not None
    first, month = result.events
    assert first.turnover == pytest.approx(0.6)
    assert month.weights_after[:2] == pytest.approx([0.3, 0.3])
    assert first.costs.pool_fees + month.costs.pool_fees == pytest.approx(result.costs.pool_fees)
    assert summarise(result).trades > 0


def test_a_sharpe_ratio_is_of_simple_returns() -> None:
    """Up a tenth, down a tenth: the mean of simple returns is 0, that of log returns is not."""
    steps = np.tile([1.1, 0.9], 20)
    nav = np.repeat(np.concatenate([[1.0], np.cumprod(steps)]), 24)[23:]
    assert summarise(
        a_result(nav, times=1_640_995_200 + 3_600 * np.arange(nav.size))
    ).sharpe == pytest.approx(0.0, abs=1e-9)


def test_a_holding_of_what_the_market_does_not_have_is_left_out() -> None:
    path = a_path(symbols=("WBTC", "WETH"))
    policy = a_backtest_policy()
    assert held(path, policy, a_venue(), PassiveHolding("SOL held", {"SOL": 1.0})) is None

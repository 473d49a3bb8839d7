"""Backtests small enough to look at: a strategy and two benchmark strategies over a month."""

from __future__ import annotations

from functools import lru_cache

from keeper.backtest.benchmarks import with_allocation
from keeper.backtest.engine import backtest
from keeper.backtest.holdings import HOLDINGS, held
from keeper.backtest.result import BacktestResult
from tests.backtest.paths import FIRST, a_backtest_policy, a_path, a_venue
from tests.factories import a_decision_policy


@lru_cache(maxsize=1)
def some_results() -> tuple[BacktestResult, ...]:
    path = a_path(bars=FIRST + 32 * 24)
    policy = a_backtest_policy(decision=a_decision_policy(risk_share_band=0.01, risk_aversion=30.0))
    venue = a_venue()
    mixed = held(path, policy, venue, HOLDINGS[3])
    assert mixed is not None
    return (
        backtest(path, policy, venue, "risk parity"),
        backtest(path, with_allocation(policy, "equal_weight"), venue, "equal weight"),
        mixed,
    )

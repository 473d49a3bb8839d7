"""Fills the arrays of a backtest result bar by bar."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.ledger import COST_FIELDS, Ledger
from keeper.backtest.result import BacktestResult, Costs, Event
from keeper.cycle.pipeline import Assessment
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.risk.contributions import risk_shares, volatility

NO_ESTIMATE = "no estimate"


class Recorder:
    """Records the vault after each bar from ``first`` on, and every event."""

    def __init__(
        self, path: MarketPath, policy: Policy, name: str, first: int, thresholds: NDArray[np.float64]
    ) -> None:
        bars, n = len(path.times) - first, len(path.symbols)
        self._path, self._policy, self._name, self._first = path, policy, name, first
        self._thresholds = thresholds
        self.nav = np.zeros(bars)
        self.weights = np.zeros((bars, n))
        self.risk_shares = np.zeros((bars, n))
        self.target_leverage = np.full(bars, math.nan)
        self.binding = np.zeros(bars, dtype=np.int16)
        self._names = [NO_ESTIMATE]
        self._last: tuple[Assessment, NDArray[np.float64], NDArray[np.float64]] | None = None
        self.health_factor = np.full(bars, math.inf)
        self.low_health_factor = np.full(bars, math.inf)
        self.forecast = np.full(bars, math.nan)
        self.aimed_at = np.full(bars, math.nan)
        self.tracking_error = np.full(bars, math.nan)
        self.spent = np.zeros((bars, len(COST_FIELDS)))
        self._events: list[Event] = []

    def event(self, event: Event) -> None:
        self._events.append(event)

    def lowest(self, t: int, health_factor: float) -> None:
        self.low_health_factor[t - self._first] = health_factor

    def undecided(
        self, t: int, ledger: Ledger, columns: NDArray[np.intp], *, last: Assessment | None
    ) -> None:
        """Records a bar without a decision: against the last one, or without an estimate."""
        if last is not None:
            self.estimated(t, last, columns, ledger=ledger)
        else:
            self._vault(t, ledger)

    def estimated(self, t: int, assessment: Assessment, columns: NDArray[np.intp], ledger: Ledger) -> None:
        self._vault(t, ledger)
        row = t - self._first
        target = assessment.target
        aimed, covariance = self._arrays(assessment)
        held = self.weights[row, columns]
        self.risk_shares[row, columns] = risk_shares(held, covariance)
        self.forecast[row] = volatility(held, covariance)
        self.aimed_at[row] = target.volatility
        self.tracking_error[row] = volatility(held - aimed, covariance)
        self.target_leverage[row] = target.leverage
        self.binding[row] = self._bound_number(target.binding)

    def _arrays(self, assessment: Assessment) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Target weights (n,) and covariance (n, n). One assessment stands for all bars until the next."""
        if self._last is None or self._last[0] is not assessment:
            covariance = np.array(assessment.model.covariance)
            self._last = assessment, np.array(assessment.target.weights), covariance
        return self._last[1], self._last[2]

    def _bound_number(self, binding: str) -> int:
        if binding not in self._names:
            self._names.append(binding)
        return self._names.index(binding)

    def result(self, costs: Costs, source: str) -> BacktestResult:
        path, first = self._path, self._first
        budgets = {asset.symbol: asset.budget for asset in self._policy.assets}
        return BacktestResult(
            name=self._name,
            source=source,
            symbols=path.symbols,
            at_closes=path.at_closes,
            budgets=tuple(budgets.get(symbol, 0.0) for symbol in path.symbols),
            times=path.times[first:],
            bar_seconds=path.bar_seconds,
            closes=path.closes[first:],
            nav_usd=self.nav,
            weights=self.weights,
            risk_shares=self.risk_shares,
            leverage=self.weights.sum(axis=1),
            target_leverage=self.target_leverage,
            binding=self.binding,
            binding_names=tuple(self._names),
            health_factor=self.health_factor,
            low_health_factor=self.low_health_factor,
            health_factor_floor=self._policy.size.min_health_factor,
            forecast_volatility=self.forecast,
            target_volatility=self.aimed_at,
            policy_volatility=self._policy.size.target_volatility,
            events=tuple(self._events),
            costs=costs,
            cost_path=self.spent,
            notes=path.notes,
            tracking_error=self.tracking_error,
        )

    def _vault(self, t: int, ledger: Ledger) -> None:
        row, prices, stable = t - self._first, self._path.closes[t], float(self._path.stable[t])
        nav = ledger.nav(prices, stable)
        self.nav[row] = nav * ledger.on_paper
        if nav > 0.0:
            self.weights[row] = ledger.values(prices) / nav
        self.health_factor[row] = ledger.health_factor(prices, stable, self._thresholds)
        self.spent[row] = ledger.spent

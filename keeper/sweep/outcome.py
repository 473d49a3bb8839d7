"""The daily results of one candidate's backtest."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.engine import backtest
from keeper.backtest.result import BacktestResult
from keeper.backtest.statistics import daily_closes, daily_returns, squared_shares_off
from keeper.backtest.venue import SimulatedVenue
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy


@dataclass(frozen=True, slots=True, eq=False)
class CandidateOutcome:
    """Per day (D,): close in Unix seconds; log return; trading costs / NAV; mean squared tracking error; NAVs traded;
    mean squared risk share off its budget; lowest health factor, inf without debt.

    ``target_volatility`` is the candidate's own.
    """

    days: NDArray[np.int64]
    returns: NDArray[np.float64]
    costs: NDArray[np.float64]
    squared_error: NDArray[np.float64]
    turnover: NDArray[np.float64]
    share_error: NDArray[np.float64]
    low_health: NDArray[np.float64]
    target_volatility: float

    @property
    def simple_returns(self) -> NDArray[np.float64]:
        """What Sharpe ratios are of."""
        return np.asarray(np.expm1(self.returns))

    def within(self, since: int, until: int) -> CandidateOutcome:
        """The days that close in (since, until]."""
        return self.at(np.flatnonzero((self.days > since) & (self.days <= until)))

    def at(self, places: NDArray[np.intp]) -> CandidateOutcome:
        """These of its days, in this order."""
        return replace(self, **{name: getattr(self, name)[places] for name in DAILY})


DAILY = tuple(field.name for field in fields(CandidateOutcome) if field.name != "target_volatility")
"""What an outcome has of each day."""


def trial(path: MarketPath, policy: Policy, venue: SimulatedVenue) -> CandidateOutcome:
    """One candidate along the whole path."""
    return outcome_of(backtest(path, policy, venue, name="candidate"), policy)


def outcome_of(result: BacktestResult, policy: Policy) -> CandidateOutcome:
    """The days of a result without the first, which has no return."""
    closes = daily_closes(result)
    nav = np.where(result.nav_usd > 0.0, result.nav_usd, np.nan)
    paid = (
        np.diff(result.cost_path[:, TRADING], axis=0, prepend=np.zeros((1, len(TRADING)))).sum(axis=1) / nav
    )
    squared = np.square(np.nan_to_num(result.tracking_error))
    traded = np.zeros(result.times.size)
    for event in result.events:
        traded[np.searchsorted(result.times, event.time)] += 0.0 if event.held_by else event.turnover
    edges = closes[:-1] + 1
    lengths = np.diff(closes)
    return CandidateOutcome(
        days=result.times[closes[1:]],
        returns=daily_returns(result),
        costs=_sums(paid, edges, closes),
        squared_error=_sums(squared, edges, closes) / lengths,
        turnover=_sums(traded, edges, closes),
        share_error=_sums(squared_shares_off(result), edges, closes) / lengths,
        low_health=_lowest(result.low_health_factor, edges, closes),
        target_volatility=policy.size.target_volatility,
    )


TRADING = (0, 1, 2, 3, 6)
"""Columns of pool fees, slippage, flash premium, gas and liquidation among the fields of Costs."""


def _sums(
    values: NDArray[np.float64], edges: NDArray[np.intp], closes: NDArray[np.intp]
) -> NDArray[np.float64]:
    if not edges.size:
        return np.zeros(0)
    return np.asarray(np.add.reduceat(values[: closes[-1] + 1], edges))


def _lowest(
    values: NDArray[np.float64], edges: NDArray[np.intp], closes: NDArray[np.intp]
) -> NDArray[np.float64]:
    if not edges.size:
        return np.zeros(0)
    return np.asarray(np.minimum.reduceat(values[: closes[-1] + 1], edges))

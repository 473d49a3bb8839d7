"""How a stretch of days is judged, by name; more is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.held_volatility import WINDOW_DAYS, log_distances, root_mean_square
from keeper.backtest.sharpe import sharpe
from keeper.backtest.statistics import rolling_volatility, volatility
from keeper.sweep.outcome import CandidateOutcome

DAYS_A_YEAR = 365.0
BPS = 10_000.0
OWNERS_AVERSION = 1.5
"""Of an owner who wants 80 % of volatility at 1.2 of reward per unit. Not the candidates' own, as above."""
OF_EQUAL_TARGETS = ("implementation", "owner")
"""Scores that compare candidates of one target volatility only."""
RISK_AVERSION = 4.0
"""Not the candidates' own: a ruler must not change with what it measures."""
Score = Callable[[CandidateOutcome], float]


def sharpe_ratio(outcome: CandidateOutcome) -> float:
    """Of simple daily returns, annualised; NaN for fewer than three days."""
    return sharpe(outcome.simple_returns).annualised(DAYS_A_YEAR)[0]


def implementation(outcome: CandidateOutcome) -> float:
    """Minus what it costs to follow the target and not to: trading costs plus ``g TE² / 2`` with g = 4, bps a year.

    The two sides of benefit against cost in one unit. It says nothing about returns, and needs far less history than a
    Sharpe ratio to tell two ways of trading apart. Both sides grow with the target's volatility: it compares
    candidates of one target only.
    """
    if not outcome.days.size:
        return math.nan
    return -cost_bps(outcome) - BPS * 0.5 * RISK_AVERSION * float(outcome.squared_error.mean())


def on_target(outcome: CandidateOutcome) -> float:
    """Minus the distance of realised volatility from its target, as a part of it."""
    return -abs(volatility(outcome.returns) / outcome.target_volatility - 1.0)


def owner(outcome: CandidateOutcome) -> float:
    """Minus what an owner loses to trading and to risk other than wanted, bps a year: trading costs plus
    ``g (s - s*)^2 / 2`` of the volatility s of 30 days, with g = 1.5.

    Who is paid k per unit of volatility and dislikes variance with g = k / s* wants s*, and is worse off by that much
    at s. Unlike ``implementation`` it judges the target too, so it compares estimators. One target volatility only.
    """
    rolled = rolling_volatility(outcome.returns, WINDOW_DAYS)
    off = rolled[np.isfinite(rolled)] - outcome.target_volatility
    if not off.size:
        return math.nan
    return -cost_bps(outcome) - BPS * 0.5 * OWNERS_AVERSION * float(np.square(off).mean())


def holding(outcome: CandidateOutcome) -> float:
    """Minus ``missed_target``."""
    return -missed_target(outcome)


def missed_target(outcome: CandidateOutcome) -> float:
    """Root mean square of ``log(realised / target)`` volatility over all windows of 30 days; NaN for less."""
    return root_mean_square(log_distances(outcome.returns, outcome.target_volatility))


def cost_bps(outcome: CandidateOutcome) -> float:
    """Of NAV a year."""
    return BPS * _yearly(outcome.costs)


def turnover(outcome: CandidateOutcome) -> float:
    """NAVs a year."""
    return _yearly(outcome.turnover)


def shares_off(outcome: CandidateOutcome) -> float:
    """Root mean square of the risk shares off their budgets."""
    return math.sqrt(float(outcome.share_error.mean())) if outcome.days.size else math.nan


def _yearly(values: NDArray[np.float64]) -> float:
    return float(np.nansum(values)) / values.size * DAYS_A_YEAR if values.size else math.nan


SCORES: Mapping[str, Score] = {
    "implementation": implementation,
    "owner": owner,
    "sharpe": sharpe_ratio,
    "on_target": on_target,
    "holding": holding,
}

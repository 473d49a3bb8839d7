"""How a stretch of days is judged, by name; more is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from keeper.backtest.sharpe import sharpe
from keeper.backtest.statistics import volatility
from keeper.sweep.outcome import CandidateOutcome

DAYS_A_YEAR = 365.0
BPS = 10_000.0
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
    costs = float(np.nansum(outcome.costs)) / outcome.days.size * DAYS_A_YEAR
    return -BPS * (costs + 0.5 * RISK_AVERSION * float(outcome.squared_error.mean()))


def on_target(outcome: CandidateOutcome) -> float:
    """Minus the distance of realised volatility from its target, as a part of it."""
    return -abs(volatility(outcome.returns) / outcome.target_volatility - 1.0)


SCORES: Mapping[str, Score] = {
    "implementation": implementation,
    "sharpe": sharpe_ratio,
    "on_target": on_target,
}

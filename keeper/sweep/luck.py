"""How much of the best candidate's lead over the first is luck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.sweep.outcome import CandidateOutcome
from keeper.sweep.scores import Score

BLOCK_DAYS = 120
"""Longer than a position is held between two trades, and than the windows of the scores."""
MIN_BLOCKS = 5
DRAWS = 500
SEED = 20_190_120


@dataclass(frozen=True, slots=True)
class BestOverFirst:
    """Score of the best candidate minus that of the first, its standard error in pairs, and the probability that luck
    alone gives the best of so many candidates such a lead. NaN where there are too few days."""

    difference: float
    error: float
    by_luck: float


def best_over_first(outcomes: Sequence[CandidateOutcome], score: Score) -> BestOverFirst:
    """All on the same days. Every draw takes the same days of all candidates, in blocks that wrap around the end
    (Politis and Romano 1992). ``by_luck`` is White's reality check (2000): how often the best centred lead of a draw
    is at least the lead that was seen."""
    leads = _leads(outcomes, score)
    best = int(np.nanargmax(leads)) if np.isfinite(leads).any() else 0
    days = outcomes[0].days.size
    if days < MIN_BLOCKS * BLOCK_DAYS or best == 0 or not np.isfinite(leads).all():
        return BestOverFirst(float(leads[best]), math.nan, math.nan)
    drawn = np.array(
        [_leads([outcome.at(places) for outcome in outcomes], score) for places in _blocks(days)]
    )
    by_luck = float(np.mean(np.max(drawn - leads, axis=1) >= leads[best]))
    return BestOverFirst(float(leads[best]), float(drawn[:, best].std(ddof=1)), by_luck)


def _leads(outcomes: Sequence[CandidateOutcome], score: Score) -> NDArray[np.float64]:
    scores = np.array([score(outcome) for outcome in outcomes])
    return np.asarray(scores - scores[0])


def _blocks(days: int) -> NDArray[np.intp]:
    """(draws, days)"""
    starts = np.random.default_rng(SEED).integers(days, size=(DRAWS, -(-days // BLOCK_DAYS)))
    return np.asarray((starts[:, :, None] + np.arange(BLOCK_DAYS)).reshape(DRAWS, -1)[:, :days] % days)

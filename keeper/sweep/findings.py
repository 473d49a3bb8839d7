"""Judges the candidates of a sweep in and out of sample, and estimates how much of the best is luck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.sharpe import Sharpe, deflated_sharpe, luckiest, sharpe
from keeper.backtest.statistics import drawdowns, volatility
from keeper.domain.errors import InvalidSetting
from keeper.sweep.luck import BestOverFirst, best_over_first
from keeper.sweep.outcome import DAILY, CandidateOutcome
from keeper.sweep.parameters import Assignment
from keeper.sweep.scores import DAYS_A_YEAR, Score, cost_bps, missed_target, shares_off, turnover


@dataclass(frozen=True, slots=True)
class Split:
    """Days that close in (train_since, train_until] choose a candidate; those in (train_until, test_until] judge it."""

    train_since: int
    train_until: int
    test_until: int


@dataclass(frozen=True, slots=True)
class SweptCandidate:
    """``outcome`` is None if the candidate failed; ``failure`` then says why."""

    number: int
    assignment: Assignment
    outcome: CandidateOutcome | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class CandidateScores:
    """One candidate's scores over all days and in each split."""

    candidate: SweptCandidate
    score: float
    train: tuple[float, ...]
    test: tuple[float, ...]
    sharpe: float
    volatility: float
    drawdown: float
    cost_bps: float
    turnover: float
    missed_target: float
    shares_off: float
    low_health: float


@dataclass(frozen=True, slots=True)
class Findings:
    """``rows`` with the best first. ``chosen``: the candidate that each split's train days choose. ``walk_forward``
    joins the test days of the chosen candidates. ``rank_correlation`` of train and test scores, mean over splits."""

    rows: tuple[CandidateScores, ...]
    failed: tuple[SweptCandidate, ...]
    splits: tuple[Split, ...]
    chosen: tuple[int, ...]
    walk_forward: CandidateOutcome
    walk_forward_score: float
    rank_correlation: float
    best_sharpe: Sharpe
    lucky_sharpe: float
    deflated: float
    effective_trials: float
    best_over_first: BestOverFirst

    @property
    def front(self) -> tuple[CandidateScores, ...]:
        """The candidates that no other one beats in both cost and distance from the target, the cheapest first."""
        front: list[CandidateScores] = []
        known = [row for row in self.rows if math.isfinite(row.cost_bps) and math.isfinite(row.missed_target)]
        for row in sorted(known, key=lambda row: (row.cost_bps, row.missed_target)):
            if not front or row.missed_target < front[-1].missed_target:
                front.append(row)
        return tuple(front)

    @property
    def verdict(self) -> str:
        best, _ = self.best_sharpe.annualised(DAYS_A_YEAR)
        luck = self.lucky_sharpe * math.sqrt(DAYS_A_YEAR)
        return (
            f"{len(self.rows)} trials are correlated and count as {self.effective_trials:.1f} independent ones: "
            f"luck alone would lift the best Sharpe ratio by {luck:.2f}. The best shows {best:.2f}; with that taken "
            f"out, the probability that it is above zero is {self.deflated:.0%} (deflated Sharpe ratio)."
        )


MIN_DAYS = 10
"""In a block. Fewer days carry no information."""


def splits(days: NDArray[np.int64], count: int) -> tuple[Split, ...]:
    """Anchored walk-forward: days in ``count + 1`` equal blocks; each but the first is tested once, on all before it.

    A candidate sees only the past, so one run serves every split: at the start of a block its vault is in the state
    in which the candidate left it, and no day is in both parts. Raises InvalidSetting for blocks of less than ten days.
    """
    if days.size < MIN_DAYS * (count + 1):
        raise InvalidSetting(
            f"splits is {count}, but the candidates have {days.size} days in common; each part needs {MIN_DAYS}",
            remedy="Choose fewer splits or a longer range of prices.",
        )
    edges = np.linspace(0, days.size, count + 2).astype(np.intp)
    day = 86_400
    start = int(days[0]) - day
    ends = [int(days[edge - 1]) for edge in edges[1:]]
    return tuple(Split(start, ends[place], ends[place + 1]) for place in range(count))


def findings(candidates: Sequence[SweptCandidate], score: Score, split_count: int) -> Findings:
    """Judges every candidate that has an outcome, on their common days. Raises InvalidSetting if there are too few."""
    done = _on_common_days(candidates)
    cuts = splits(done[0][1].days, split_count)
    rows = tuple(_row(candidate, outcome, score, cuts=cuts) for candidate, outcome in done)
    chosen = tuple(max(rows, key=lambda row: _known(row.train[place])) for place in range(len(cuts)))
    outcomes = {candidate.number: outcome for candidate, outcome in done}
    followed = _joined(
        [
            outcomes[row.candidate.number].within(cut.train_until, cut.test_until)
            for cut, row in zip(cuts, chosen, strict=True)
        ]
    )
    ratios = [sharpe(outcome.simple_returns).ratio for _, outcome in done]
    best = sharpe(done[int(np.argmax([_known(ratio) for ratio in ratios]))][1].simple_returns)
    independent = _effective_trials([outcome.simple_returns for _, outcome in done])
    return Findings(
        rows=tuple(sorted(rows, key=lambda row: (-_known(row.score), row.candidate.number))),
        failed=tuple(candidate for candidate in candidates if candidate.outcome is None),
        splits=cuts,
        chosen=tuple(row.candidate.number for row in chosen),
        walk_forward=followed,
        walk_forward_score=score(followed),
        rank_correlation=_rank_correlation(rows, len(cuts)),
        best_sharpe=best,
        lucky_sharpe=luckiest(ratios, independent),
        deflated=deflated_sharpe(best, ratios, independent),
        effective_trials=independent,
        best_over_first=best_over_first([outcome for _, outcome in done], score),
    )


def _on_common_days(candidates: Sequence[SweptCandidate]) -> list[tuple[SweptCandidate, CandidateOutcome]]:
    """Outcomes cut to common days, because candidates that need more history begin later."""
    done = [(candidate, candidate.outcome) for candidate in candidates if candidate.outcome is not None]
    first = max((int(outcome.days[0]) for _, outcome in done if outcome.days.size), default=0)
    last = min((int(outcome.days[-1]) for _, outcome in done if outcome.days.size), default=0)
    return [(candidate, outcome.within(first - 1, last)) for candidate, outcome in done]


def _row(
    candidate: SweptCandidate, outcome: CandidateOutcome, score: Score, cuts: Sequence[Split]
) -> CandidateScores:
    ratio, _ = sharpe(outcome.simple_returns).annualised(DAYS_A_YEAR)
    return CandidateScores(
        candidate=candidate,
        score=score(outcome),
        train=tuple(score(outcome.within(cut.train_since, cut.train_until)) for cut in cuts),
        test=tuple(score(outcome.within(cut.train_until, cut.test_until)) for cut in cuts),
        sharpe=ratio,
        volatility=volatility(outcome.returns),
        drawdown=drawdown(outcome),
        cost_bps=cost_bps(outcome),
        turnover=turnover(outcome),
        missed_target=missed_target(outcome),
        shares_off=shares_off(outcome),
        low_health=float(outcome.low_health.min(initial=math.inf)),
    )


def drawdown(outcome: CandidateOutcome) -> float:
    """Worst loss at days' closes, as a positive fraction."""
    if not outcome.returns.size:
        return math.nan
    nav = np.exp(np.concatenate([[0.0], np.cumsum(np.nan_to_num(outcome.returns))]))
    return float(drawdowns(nav).max())


def _known(value: float) -> float:
    """An unknown value is never the best."""
    return -math.inf if math.isnan(value) else value


def _joined(parts: Sequence[CandidateOutcome]) -> CandidateOutcome:
    """Days in their order, as one outcome."""
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in DAILY}
    return replace(parts[0], **joined)


def _rank_correlation(rows: Sequence[CandidateScores], count: int) -> float:
    """Spearman's, over candidates with both scores. NaN for fewer than three, or if all are equal."""
    from scipy.stats import spearmanr

    correlations = []
    for place in range(count):
        pairs = [(row.train[place], row.test[place]) for row in rows]
        known = [pair for pair in pairs if all(map(math.isfinite, pair))]
        train, test = {pair[0] for pair in known}, {pair[1] for pair in known}
        if len(known) >= 3 and len(train) > 1 and len(test) > 1:
            correlations.append(
                float(
                    spearmanr([candidate for candidate, _ in known], [other for _, other in known]).statistic
                )
            )
    return float(np.mean(correlations)) if correlations else math.nan


def _effective_trials(returns: Sequence[NDArray[np.float64]]) -> float:
    """``N (1 - r) + r`` with the mean correlation r of the trials' returns, not under 0.

    Bailey and López de Prado (2014), "The Deflated Sharpe Ratio", appendix A.3.
    """
    count = len(returns)
    varied = [candidate for candidate in returns if np.isfinite(candidate).all() and candidate.std() > 0.0]
    if count < 2 or len(varied) < 2:
        return float(count)
    correlation = np.corrcoef(varied)
    mean = (correlation.sum() - len(varied)) / (len(varied) * (len(varied) - 1))
    rho = min(1.0, max(0.0, float(mean)))
    return count * (1.0 - rho) + rho

"""The comparison of risk estimators: every candidate's forecast at every midnight, scored on the days that followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidCovariance, NoEstimate
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.evaluate.candidates import OWN, EstimatorCandidate, UnavailableCandidate, candidates
from keeper.evaluate.har_fit import HarFit, fit_har
from keeper.evaluate.history import PointInTimeHistory, midnights, of_assets, realised_outcome
from keeper.evaluate.samples import Periods, Sample, samples_of
from keeper.evaluate.scoring import Forecasts, ImpliedGain, Score, implied_gains, scores
from keeper.evaluate.stress import Breaches, breaches
from keeper.evaluate.targeting import target_weights

HORIZONS = (1, 7)
"""Days. Not an hour: positions are held for days, and the next hour's volatility is mostly the time of day."""
PORTFOLIOS = 100
"""Random portfolios on which a forecaster's bias is measured."""

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``stress`` is of the strategy's own forecast, over all days judged of the first sample's assets."""

    samples: tuple[Sample, ...]
    scores: tuple[Score, ...]
    implied_gains: tuple[ImpliedGain, ...]
    unavailable: tuple[UnavailableCandidate, ...]
    stress: tuple[Breaches, ...]
    har: HarFit | None


def evaluate(
    path: MarketPath,
    policy: Policy,
    periods: Periods,
    *,
    generator: np.random.Generator,
    progress: Progress,
) -> Evaluation:
    """Judges every candidate out of sample: at each midnight from what was then known, on what happened after it.

    ``progress`` is called as forecasts are made. Raises InvalidSetting where the path is too short.
    """
    _, unavailable = candidates(policy)
    samples = samples_of(path, policy, periods)
    universes = tuple(dict.fromkeys(sample.symbols for sample in samples))
    results: list[Score] = []
    gains: list[ImpliedGain] = []
    stress: tuple[Breaches, ...] = ()
    for number, symbols in enumerate(universes):
        members = [sample for sample in samples if sample.symbols == symbols]
        forecasts = _forecasts(
            of_assets(path, symbols),
            policy.of(symbols),
            members,
            portfolios=generator.dirichlet(np.ones(len(symbols)), PORTFOLIOS),
            progress=_PartOfProgress(progress, number, len(universes)),
        )
        outcomes = [realised_outcome(forecasts.market, horizon) for horizon in HORIZONS]
        for sample in members:
            for outcome in outcomes:
                results += scores(forecasts, sample, outcome)
                gains += implied_gains(forecasts, sample, outcome)
        if number == 0:
            stress = _stress(forecasts)
    first = samples[0]
    return Evaluation(
        samples=samples,
        scores=tuple(results),
        implied_gains=tuple(gains),
        unavailable=unavailable,
        stress=stress,
        har=fit_har(of_assets(path, first.symbols), policy.estimate, start=first.start, end=first.end),
    )


@dataclass(frozen=True, slots=True)
class _PartOfProgress:
    """Progress of one of several equally long parts of the work."""

    progress: Progress
    part: int
    parts: int

    def __call__(self, done: int, total: int) -> None:
        self.progress(self.part * total + done, self.parts * total)


def _forecasts(
    market: MarketPath,
    policy: Policy,
    samples: Sequence[Sample],
    *,
    portfolios: NDArray[np.float64],
    progress: Progress,
) -> Forecasts:
    """Every candidate's forecasts for the days of all these samples, whose assets are those of ``market``."""
    everyone, _ = candidates(policy)
    underlyings = tuple(asset.implied_underlying for asset in policy.assets)
    history = PointInTimeHistory(market, policy.estimate.history_s, underlyings)
    times = market.times[midnights(market)]
    start, end = min(sample.start for sample in samples), max(sample.end for sample in samples)
    days = np.flatnonzero((times >= start) & (times < end))
    covariances = {}
    for done, candidate in enumerate(everyone):
        progress(done, len(everyone))
        covariances[candidate.name] = _covariances(
            candidate, history, days, shape=(times.size, len(market.symbols))
        )
    progress(len(everyone), len(everyone))
    return Forecasts(
        market=market,
        policy=policy,
        candidates=everyone,
        covariances=covariances,
        portfolios=portfolios,
    )


def _covariances(
    candidate: EstimatorCandidate,
    history: PointInTimeHistory,
    days: NDArray[np.int64],
    *,
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Annualised covariances (D, n, n) at these midnights, for ``shape`` (D, n); NaN where there is no estimate."""
    midnight_count, n = shape
    covariances = np.full((midnight_count, n, n), np.nan)
    for day in days:
        try:
            covariances[day] = candidate.forecast(history.at(int(day)))
        except (NoEstimate, InvalidCovariance):
            continue
    return covariances


def _stress(forecasts: Forecasts) -> tuple[Breaches, ...]:
    own = forecasts.covariances[OWN]
    days = np.flatnonzero(np.isfinite(own).all(axis=(1, 2)))
    weights = target_weights(own[days], forecasts.budgets, 1.0)
    unit = weights / weights.sum(axis=1, keepdims=True)
    return breaches(
        forecasts.market,
        starts=midnights(forecasts.market)[days],
        weights=unit,
        volatilities=np.sqrt(np.einsum("di,dij,dj->d", unit, own[days], unit)),
        hold_s=forecasts.policy.size.time_to_act_s,
    )

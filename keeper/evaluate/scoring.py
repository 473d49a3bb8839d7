"""Scores of every candidate's forecasts against the days that followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.evaluate.candidates import OWN, EstimatorCandidate
from keeper.evaluate.history import DAY, DAYS_A_YEAR, RealisedOutcome, midnights
from keeper.evaluate.samples import MIN_DAYS, Sample
from keeper.evaluate.scores import bias, log_likelihood, mean_and_t, portfolio_variances, qlike
from keeper.evaluate.targeting import Targeting, target_weights, targeting

MIN_LAGS = 5
"""Daily scores are correlated for about a week even where the forecast days do not overlap."""


@dataclass(frozen=True, slots=True)
class Score:
    """One candidate on one sample at one horizon, per day judged.

    ``gain``: log-likelihood above ``base``, with its t-value; ``own_gain``: the strategy's own above this one.
    ``qlike``: mean over the assets; ``qlike_t``: t-value of its improvement on ``base``. ``targeting``: at one
    day's horizon only.
    """

    sample: str
    horizon: int
    candidate: str
    base: str
    days: int
    log_likelihood: float
    gain: float
    t: float
    own_gain: float
    own_t: float
    qlike: float
    qlike_t: float
    portfolio_qlike: float
    bias: float
    targeting: Targeting | None


@dataclass(frozen=True, slots=True)
class ImpliedGain:
    """What a blend with implied volatility gains on one asset over the same estimator without it."""

    sample: str
    horizon: int
    candidate: str
    symbol: str
    gain: float
    t: float


@dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """Every candidate's forecasts for the same assets.

    ``covariances`` by candidate (D, n, n): annualised, one per midnight, NaN where there is none. ``portfolios``
    (P, n): weights to judge by.
    """

    market: MarketPath
    policy: Policy
    candidates: tuple[EstimatorCandidate, ...]
    covariances: Mapping[str, NDArray[np.float64]]
    portfolios: NDArray[np.float64]

    @property
    def budgets(self) -> NDArray[np.float64]:
        return np.array([asset.budget for asset in self.policy.assets])

    def judged_days(
        self, sample: Sample, outcome: RealisedOutcome, names: Sequence[str]
    ) -> NDArray[np.int64]:
        """The midnights of the sample with all these forecasts, and with an outcome that ends within the sample."""
        times = self.market.times[midnights(self.market)]
        usable = (times >= sample.start) & (times + outcome.horizon * DAY <= sample.end)
        usable &= np.isfinite(outcome.returns).all(axis=1)
        for name in names:
            usable &= np.isfinite(self.covariances[name]).all(axis=(1, 2))
        return np.flatnonzero(usable)

    def scaled(self, name: str, days: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
        """Forecast covariances over ``horizon`` days, at these midnights."""
        return np.asarray(self.covariances[name][days] * horizon / DAYS_A_YEAR)


def scores(forecasts: Forecasts, sample: Sample, outcome: RealisedOutcome) -> list[Score]:
    """A score per candidate of the sample; none where fewer than 60 days can be judged."""
    horizon = outcome.horizon
    candidates = [
        candidate
        for candidate in forecasts.candidates
        if sample.with_options or not candidate.reads_implied or candidate.name == OWN
    ]
    days = forecasts.judged_days(sample, outcome, [candidate.name for candidate in candidates])
    if days.size < MIN_DAYS:
        return []
    returns, realised = outcome.returns[days], outcome.covariance[days]
    scaled = {candidate.name: forecasts.scaled(candidate.name, days, horizon) for candidate in candidates}
    likelihoods = {name: log_likelihood(covariances, returns) for name, covariances in scaled.items()}
    variances = np.diagonal(realised, axis1=1, axis2=2)
    losses = {
        name: qlike(np.diagonal(covariances, axis1=1, axis2=2), variances).mean(axis=1)
        for name, covariances in scaled.items()
    }
    realised_portfolios = portfolio_variances(forecasts.portfolios, realised)
    lags = _lags(horizon)
    results = []
    for candidate in candidates:
        name, base = candidate.name, candidate.base
        gain, t = mean_and_t(likelihoods[name] - likelihoods[base], lags)
        own_gain, own_t = mean_and_t(likelihoods[OWN] - likelihoods[name], lags)
        _, qlike_t = mean_and_t(losses[base] - losses[name], lags)
        forecast_portfolios = portfolio_variances(forecasts.portfolios, scaled[name])
        results.append(
            Score(
                sample=sample.name,
                horizon=horizon,
                candidate=name,
                base=base,
                days=days.size,
                log_likelihood=float(likelihoods[name].mean()),
                gain=gain,
                t=t,
                own_gain=own_gain,
                own_t=own_t,
                qlike=float(losses[name].mean()),
                qlike_t=qlike_t,
                portfolio_qlike=float(qlike(forecast_portfolios, realised_portfolios).mean()),
                bias=bias(forecasts.portfolios, scaled[name], returns),
                targeting=_targeting(forecasts, scaled[name], realised) if horizon == 1 else None,
            )
        )
    return results


def implied_gains(forecasts: Forecasts, sample: Sample, outcome: RealisedOutcome) -> list[ImpliedGain]:
    """The gain of each blend on each asset; none without options or with fewer than 60 days."""
    if not sample.with_options:
        return []
    horizon = outcome.horizon
    blends = [
        candidate for candidate in forecasts.candidates if candidate.reads_implied and candidate.name != OWN
    ]
    names = [name for candidate in blends for name in (candidate.name, candidate.base)]
    days = forecasts.judged_days(sample, outcome, names)
    if days.size < MIN_DAYS:
        return []
    gains = []
    for candidate in blends:
        blended = forecasts.scaled(candidate.name, days, horizon)
        without = forecasts.scaled(candidate.base, days, horizon)
        for column, symbol in enumerate(forecasts.market.symbols):
            cell = slice(column, column + 1)
            returns = outcome.returns[days][:, cell]
            gain, t = mean_and_t(
                log_likelihood(blended[:, cell, cell], returns)
                - log_likelihood(without[:, cell, cell], returns),
                _lags(horizon),
            )
            gains.append(
                ImpliedGain(
                    sample=sample.name,
                    horizon=horizon,
                    candidate=candidate.name,
                    symbol=symbol,
                    gain=gain,
                    t=t,
                )
            )
    return gains


def _targeting(forecasts: Forecasts, daily: NDArray[np.float64], realised: NDArray[np.float64]) -> Targeting:
    target = forecasts.policy.size.target_volatility
    weights = target_weights(daily * DAYS_A_YEAR, forecasts.budgets, target)
    return targeting(weights, realised, target)


def _lags(horizon: int) -> int:
    """Days over which scores may be correlated: forecasts of several days overlap."""
    return max(MIN_LAGS, 2 * horizon)

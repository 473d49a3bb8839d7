"""The comparison: every candidate's forecast at every midnight, scored against the days that followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidCovariance, InvalidSetting, NoEstimate
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.evaluate.candidates import OWN, Absent, Candidate, candidates
from keeper.evaluate.har_fit import HarFit, fit_har
from keeper.evaluate.history import DAY, DAYS_A_YEAR, Outcome, Past, midnights, of_assets, outcome
from keeper.evaluate.scores import bias, log_likelihood, mean_and_t, portfolio_variances, qlike
from keeper.evaluate.stress import Breaches, breaches
from keeper.evaluate.targeting import Targeting, target_weights, targeting

HORIZONS = (1, 7)
"""Days. Not an hour: positions are held for days, and the next hour is mostly the time of day."""
PORTFOLIOS = 100
FEWEST_DAYS = 60
LATE_S = 60 * DAY
"""An asset whose prices begin later than this is judged in a sample of its own."""


@dataclass(frozen=True, slots=True)
class Periods:
    """Unix seconds: [start, end) to choose on, [check_start, check_end) to check the choice once."""

    start: int
    end: int
    check_start: int
    check_end: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Days judged together. ``implied``: every candidate, on the days with implied volatility; else those
    without."""

    name: str
    symbols: tuple[str, ...]
    start: int
    end: int
    implied: bool


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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """``stress`` is of the strategy's own forecast, over all days judged of the first sample's assets."""

    samples: tuple[Sample, ...]
    scores: tuple[Score, ...]
    implied: tuple[ImpliedGain, ...]
    absent: tuple[Absent, ...]
    stress: tuple[Breaches, ...]
    har: HarFit | None


def evaluate(
    path: MarketPath,
    policy: Policy,
    periods: Periods,
    generator: np.random.Generator,
    progress: Callable[[int, int], None],
) -> Evaluation:
    """Judge every candidate out of sample: at each midnight from what was then known, on what came after.

    ``progress(done, total)`` is called as forecasts are made. Raises InvalidSetting where the path is too short.
    """
    _, absent = candidates(policy)
    samples = _samples(path, policy, periods)
    universes = tuple(dict.fromkeys(sample.symbols for sample in samples))
    judgements = []
    for number, symbols in enumerate(universes):

        def tick(done: int, offered: int, before: int = number) -> None:
            progress(before * offered + done, len(universes) * offered)

        judged = [sample for sample in samples if sample.symbols == symbols]
        portfolios = generator.dirichlet(np.ones(len(symbols)), PORTFOLIOS)
        judgements.append(_judge(of_assets(path, symbols), policy.of(symbols), judged, portfolios, tick))
    first = samples[0]
    return Evaluation(
        samples=samples,
        scores=tuple(score for one in judgements for score in one.scores),
        implied=tuple(gain for one in judgements for gain in one.implied),
        absent=absent,
        stress=judgements[0].stress,
        har=fit_har(of_assets(path, first.symbols), policy.estimate, first.start, first.end),
    )


@dataclass(frozen=True, slots=True)
class _Judgement:
    scores: tuple[Score, ...]
    implied: tuple[ImpliedGain, ...]
    stress: tuple[Breaches, ...]


def _judge(
    market: MarketPath,
    policy: Policy,
    samples: Sequence[Sample],
    portfolios: NDArray[np.float64],
    progress: Callable[[int, int], None],
) -> _Judgement:
    """All samples of the same assets: every forecast is made once."""
    everyone, _ = candidates(policy)
    first, last = min(one.start for one in samples), max(one.end for one in samples)
    past = Past(market, policy.estimate.history_s, tuple(one.implied_underlying for one in policy.assets))
    forecasts: dict[str, NDArray[np.float64]] = {}
    for done, candidate in enumerate(everyone):
        progress(done, len(everyone))
        forecasts[candidate.name] = _forecasts(candidate, market, past, first, last)
    progress(len(everyone), len(everyone))
    outcomes = [outcome(market, horizon) for horizon in HORIZONS]
    return _Judgement(
        scores=tuple(
            score
            for sample in samples
            for came in outcomes
            for score in _scores(sample, everyone, forecasts, market, came, portfolios, policy)
        ),
        implied=tuple(
            gain
            for sample in samples
            for came in outcomes
            for gain in _implied_gains(sample, everyone, forecasts, market, came)
        ),
        stress=_stress(market, policy, forecasts[OWN]),
    )


def _stress(market: MarketPath, policy: Policy, forecasts: NDArray[np.float64]) -> tuple[Breaches, ...]:
    days = np.flatnonzero(np.isfinite(forecasts).all(axis=(1, 2)))
    weights = target_weights(forecasts[days], _budgets(policy), 1.0)
    unit = weights / weights.sum(axis=1, keepdims=True)
    volatilities = np.sqrt(np.einsum("di,dij,dj->d", unit, forecasts[days], unit))
    return breaches(market, midnights(market)[days], unit, volatilities, policy.size.time_to_act_s)


def _budgets(policy: Policy) -> NDArray[np.float64]:
    return np.array([one.budget for one in policy.assets])


def _samples(path: MarketPath, policy: Policy, periods: Periods) -> tuple[Sample, ...]:
    """Assets with a long history before all of them; each to choose on, with implied volatility, and to check."""
    start = max(periods.start, int(path.times[0]))
    began = _first_prices(path, [one.symbol for one in policy.assets])
    early = tuple(symbol for symbol, first in began.items() if first <= start + LATE_S)
    everything = tuple(began)
    options = min((int(one.times[0]) for one in path.implied if one.times.size), default=periods.check_end)
    samples = []
    for symbols in dict.fromkeys((early, everything)):
        if not symbols:
            continue
        ready = max(start, max(began[symbol] for symbol in symbols) + policy.estimate.history_s)
        with_options = max(ready, options)
        names = ", ".join(symbols)
        for title, begin, end, reads_implied in (
            ("choice", ready, periods.end, False),
            ("choice with options", with_options, periods.end, True),
            ("check", max(ready, periods.check_start), periods.check_end, options < periods.check_end),
        ):
            if end - begin >= FEWEST_DAYS * DAY:
                samples.append(Sample(f"{title}: {names}", symbols, begin, end, reads_implied))
    if not samples:
        raise InvalidSetting(
            f"--from and --to leave fewer than {FEWEST_DAYS} days after {policy.estimate.history_s // DAY} days "
            "of history",
            remedy="Choose a longer period; the data begin at the first row of hourly_close.csv.",
        )
    return tuple(samples)


def _first_prices(path: MarketPath, symbols: Sequence[str]) -> dict[str, int]:
    """When each asset's prices begin; without those that have none."""
    known = np.isfinite(of_assets(path, symbols).closes)
    return {
        symbol: int(path.times[known[:, column].argmax()])
        for column, symbol in enumerate(symbols)
        if known[:, column].any()
    }


def _forecasts(
    candidate: Candidate, market: MarketPath, past: Past, first: int, last: int
) -> NDArray[np.float64]:
    """Annualised covariances (D, n, n) at every midnight in [first, last); NaN where there is no estimate."""
    at = midnights(market)
    n = len(market.symbols)
    found = np.full((at.size, n, n), np.nan)
    for day in np.flatnonzero((market.times[at] >= first) & (market.times[at] < last)):
        try:
            found[day] = candidate.forecast(past.at(int(day)))
        except (NoEstimate, InvalidCovariance):
            continue
    return found


def _scores(
    sample: Sample,
    everyone: Sequence[Candidate],
    forecasts: dict[str, NDArray[np.float64]],
    market: MarketPath,
    came: Outcome,
    portfolios: NDArray[np.float64],
    policy: Policy,
) -> list[Score]:
    horizon = came.horizon
    entered = [one for one in everyone if sample.implied or not one.implied or one.name == OWN]
    days = _judged(sample, market, came, [forecasts[one.name] for one in entered])
    if days.size < FEWEST_DAYS:
        return []
    returns, realised = came.returns[days], came.realised[days]
    lags = max(5, 2 * horizon)
    scaled = {one.name: forecasts[one.name][days] * horizon / DAYS_A_YEAR for one in entered}
    likelihoods = {name: log_likelihood(covariances, returns) for name, covariances in scaled.items()}
    variances = np.diagonal(realised, axis1=1, axis2=2)
    losses = {
        name: qlike(np.diagonal(covariances, axis1=1, axis2=2), variances).mean(axis=1)
        for name, covariances in scaled.items()
    }
    realised_portfolios = portfolio_variances(portfolios, realised)
    budgets = _budgets(policy)
    scores = []
    for one in entered:
        gain, t = mean_and_t(likelihoods[one.name] - likelihoods[one.base], lags)
        own_gain, own_t = mean_and_t(likelihoods[OWN] - likelihoods[one.name], lags)
        _, qlike_t = mean_and_t(losses[one.base] - losses[one.name], lags)
        forecast_portfolios = portfolio_variances(portfolios, scaled[one.name])
        followed = None
        if horizon == 1:
            weights = target_weights(scaled[one.name] * DAYS_A_YEAR, budgets, policy.size.target_volatility)
            followed = targeting(weights, realised, policy.size.target_volatility)
        scores.append(
            Score(
                sample=sample.name,
                horizon=horizon,
                candidate=one.name,
                base=one.base,
                days=days.size,
                log_likelihood=float(likelihoods[one.name].mean()),
                gain=gain,
                t=t,
                own_gain=own_gain,
                own_t=own_t,
                qlike=float(losses[one.name].mean()),
                qlike_t=qlike_t,
                portfolio_qlike=float(qlike(forecast_portfolios, realised_portfolios).mean()),
                bias=bias(portfolios, scaled[one.name], returns),
                targeting=followed,
            )
        )
    return scores


def _implied_gains(
    sample: Sample,
    everyone: Sequence[Candidate],
    forecasts: dict[str, NDArray[np.float64]],
    market: MarketPath,
    came: Outcome,
) -> list[ImpliedGain]:
    if not sample.implied:
        return []
    horizon = came.horizon
    pairs = [one for one in everyone if one.implied and one.name != OWN]
    days = _judged(sample, market, came, [forecasts[name] for one in pairs for name in (one.name, one.base)])
    if days.size < FEWEST_DAYS:
        return []
    gains = []
    for one in pairs:
        with_it, without = (forecasts[name][days] * horizon / DAYS_A_YEAR for name in (one.name, one.base))
        for column, symbol in enumerate(market.symbols):
            cell = slice(column, column + 1)
            moved = came.returns[days][:, cell]
            gain, t = mean_and_t(
                log_likelihood(with_it[:, cell, cell], moved) - log_likelihood(without[:, cell, cell], moved),
                max(5, 2 * horizon),
            )
            gains.append(ImpliedGain(sample.name, horizon, one.name, symbol, gain, t))
    return gains


def _judged(
    sample: Sample, market: MarketPath, came: Outcome, forecasts: Sequence[NDArray[np.float64]]
) -> NDArray[np.int64]:
    """The midnights of the sample on which every forecast was made and whose outcome is within the sample."""
    times = market.times[midnights(market)]
    usable = (times >= sample.start) & (times + came.horizon * DAY <= sample.end)
    usable &= np.isfinite(came.returns).all(axis=1)
    for one in forecasts:
        usable &= np.isfinite(one).all(axis=(1, 2))
    return np.flatnonzero(usable)

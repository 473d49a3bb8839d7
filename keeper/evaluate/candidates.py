"""The estimators that are compared: the keeper's own under several settings, textbook ones, and those of peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.policy import EstimatePolicy, Policy
from keeper.evaluate import textbook
from keeper.evaluate.history import DAY, PointInTimeData
from keeper.evaluate.peers import peers
from keeper.risk.estimate import estimate

Forecast = Callable[[PointInTimeData], NDArray[np.float64]]
"""Annualised covariance (n, n) from what was known."""

OWN = "this strategy"
"""The strategy's own estimator."""
BASE = "EWMA 0.94, daily bars"
"""RiskMetrics' estimator (1996), to which gains are relative."""
WITH_IMPLIED = ("EWMA 5 d / 21 d", "mix 1·5·42 d", "log-HAR")
"""Candidates that are also blended with implied volatility."""
IMPLIED_WEIGHTS = (0.25, 0.5)
"""Weights of implied volatility in these blends."""
RUNNING_RATIO_WEIGHT = 0.5
"""Weight of implied volatility in the blend that takes the variance premium out first."""
RISKMETRICS_HALF_LIFE = float(np.log(0.5) / np.log(0.94))
"""Days: lambda = 0.94."""
DAILY_HISTORY_S = 365 * DAY
"""History of the candidates on daily bars. RiskMetrics' weight of the first day is then below 1e-9."""


@dataclass(frozen=True, slots=True)
class EstimatorCandidate:
    """``base`` names the candidate to which its gain is relative."""

    name: str
    forecast: Forecast
    base: str = BASE
    reads_implied: bool = False


@dataclass(frozen=True, slots=True)
class UnavailableCandidate:
    """A candidate that cannot run here, and why."""

    name: str
    reason: str


def candidates(policy: Policy) -> tuple[tuple[EstimatorCandidate, ...], tuple[UnavailableCandidate, ...]]:
    """The candidates, of which the strategy's own is the first, and those that cannot run here."""
    peer_forecasts, missing = peers()
    strategies = historical(policy)
    own = EstimatorCandidate(OWN, partial(_estimated, policy), reads_implied=_reads_implied(policy))
    plain = tuple(
        EstimatorCandidate(name, partial(_estimated, strategy)) for name, strategy in strategies.items()
    )
    blended = tuple(
        EstimatorCandidate(name, forecast, base=base, reads_implied=True)
        for base, strategy in strategies.items()
        if base in WITH_IMPLIED
        for name, forecast in _blended(base, strategy)
    )
    others = (
        EstimatorCandidate(name, forecast)
        for name, forecast in {**textbook.TEXTBOOK, **peer_forecasts}.items()
    )
    return (own, *plain, *others, *blended), tuple(
        UnavailableCandidate(name, why) for name, why in missing.items()
    )


def historical(policy: Policy) -> Mapping[str, Policy]:
    """Settings of the keeper's estimators without implied volatility, by their name in the table."""
    without_implied = with_implied(policy, "variance", 0.0)

    def hourly(**changes: object) -> Policy:
        plain = {"volatility": "ewma_mix", "correlation": "ewma_mix", "shrink": False}
        return _with_estimate(without_implied, **{**plain, **changes})

    def ewma(fast: float, slow: float, /, **changes: object) -> Policy:
        plain = {"volatility": "ewma", "volatility_half_life_days": fast, "correlation": "ewma"}
        return hourly(**{**plain, "correlation_half_life_days": slow, **changes})

    def mix(*days: float, **changes: object) -> Policy:
        return hourly(**{"mix_half_lives_days": tuple(map(float, days)), **changes})

    daily = {"bar_seconds": DAY, "history_s": DAILY_HISTORY_S, "min_bars": 30}
    return {
        BASE: ewma(RISKMETRICS_HALF_LIFE, RISKMETRICS_HALF_LIFE, **daily),
        "EWMA 0.97, daily bars": ewma(22.75, 22.75, **daily),
        "iterated EWMA 21/63, daily bars": ewma(21.0, 63.0, correlation="iterated", **daily),
        **{f"EWMA {days} d": ewma(days, days) for days in (2, 5, 10, 21)},
        "EWMA 5 d / 10 d": ewma(5, 10),
        "EWMA 5 d / 21 d": ewma(5, 21),
        "EWMA 5 d / 21 d, shrunk": ewma(5, 21, shrink=True),
        "EWMA 5 d / 63 d": ewma(5, 63),
        "iterated EWMA 5 d / 21 d": ewma(5, 21, correlation="iterated"),
        "mix 1·5·42 d": mix(1, 5, 42),
        "mix 1·5·42 d, shrunk": mix(1, 5, 42, shrink=True),
        "mix 1·5·42 d, correlation 21 d": mix(1, 5, 42, correlation="ewma", correlation_half_life_days=21.0),
        "mix 1·5·21 d": mix(1, 5, 21),
        "mix 1·42 d": mix(1, 42),
        "mix 2·42 d": mix(2, 42),
        "mix 5·21 d": mix(5, 21),
        "mix 5·42 d": mix(5, 42),
        "log-HAR": mix(1, 5, 42, volatility="har"),
        "mean of log-HAR and mix 1·5·42 d": mix(1, 5, 42, volatility="har_mix"),
        "mean of log-HAR and mix 5·21 d": mix(5, 21, volatility="har_mix"),
    }


def with_implied(policy: Policy, blend: str, weight: float) -> Policy:
    """The same strategy with this blend and this weight of implied volatility; weight 0 does not read it."""
    assets = tuple(replace(asset, implied_weight=weight) for asset in policy.assets)
    return replace(policy, assets=assets, estimate=replace(policy.estimate, implied_blend=blend))


def _blended(name: str, policy: Policy) -> list[tuple[str, Forecast]]:
    own = [
        (f"{name} + {weight:.0%} IV{suffix}", partial(_estimated, with_implied(policy, blend, weight)))
        for blend, suffix in (("variance", ""), ("log", ", logs"))
        for weight in IMPLIED_WEIGHTS
    ]
    running = (f"{name} + {RUNNING_RATIO_WEIGHT:.0%} IV, ratio", partial(_running_ratio, policy))
    return [*own, running]


def _running_ratio(policy: Policy, data: PointInTimeData) -> NDArray[np.float64]:
    """Half of implied in logs, first scaled by the running ratio of realised to implied variance."""
    scales = textbook.realised_to_implied(data)
    scale_of = {
        asset.implied_underlying: float(scale) for asset, scale in zip(policy.assets, scales, strict=True)
    }
    readings = tuple(
        replace(reading, volatility=reading.volatility * scale_of[reading.underlying] ** 0.5)
        for reading in data.evidence.implied
        if reading.volatility is not None and np.isfinite(scale_of[reading.underlying])
    )
    scaled = replace(data, evidence=replace(data.evidence, implied=readings))
    return _estimated(with_implied(policy, "log", RUNNING_RATIO_WEIGHT), scaled)


def _estimated(policy: Policy, data: PointInTimeData) -> NDArray[np.float64]:
    """The covariance of the live keeper's ``estimate``."""
    evidence = data.evidence
    if policy.estimate.bar_seconds == DAY:
        evidence = _daily(data, policy.estimate)
    return np.array(estimate(evidence, policy).covariance)


def _daily(data: PointInTimeData, policy: EstimatePolicy) -> Evidence:
    closes = data.daily_closes[-(policy.history_s // DAY) :]
    now = data.evidence.as_of
    times = now - DAY * np.arange(closes.shape[0] - 1, -1, -1, dtype=np.int64)
    symbols = data.evidence.bars.symbols
    bars = PriceBars(symbols=symbols, bar_seconds=DAY, times=times, closes=closes)
    return replace(data.evidence, bars=bars)


def _with_estimate(policy: Policy, **changes: object) -> Policy:
    changed: EstimatePolicy = replace(policy.estimate, **changes)  # type: ignore[arg-type]
    return replace(policy, estimate=changed)


def _reads_implied(policy: Policy) -> bool:
    return any(asset.implied_underlying is not None and asset.implied_weight > 0.0 for asset in policy.assets)

"""The estimators that are compared: those of the keeper by their settings, textbook ones, and those of peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.policy import EstimatePolicy, Policy
from keeper.evaluate import textbook
from keeper.evaluate.history import DAY, Seen
from keeper.evaluate.peers import peers
from keeper.risk.estimate import estimate

Forecast = Callable[[Seen], NDArray[np.float64]]
"""Annualised covariance (n, n) from what was seen."""

OWN = "this strategy"
BASE = "EWMA 0.94, daily bars"
"""RiskMetrics' estimator, against which gains are counted."""
WITH_IMPLIED = ("EWMA 5 d / 21 d", "mix 1·5·42 d", "log-HAR")
"""The candidates that are also blended with implied volatility, at these weights."""
WEIGHTS = (0.25, 0.5)
RISKMETRICS_HALF_LIFE = float(np.log(0.5) / np.log(0.94))
DAILY_HISTORY_S = 365 * DAY


@dataclass(frozen=True, slots=True)
class Candidate:
    """``base`` is the candidate it is compared with; ``implied`` says that it reads implied volatility."""

    name: str
    forecast: Forecast
    base: str = BASE
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """A candidate that cannot run here, and why."""

    name: str
    reason: str


def candidates(policy: Policy) -> tuple[tuple[Candidate, ...], tuple[Absent, ...]]:
    """All of them; the strategy's own is the first."""
    found, absent = peers()
    own = Candidate(OWN, partial(_own, policy), implied=_reads_implied(policy))
    plain = tuple(Candidate(name, partial(_own, one)) for name, one in historical(policy).items())
    blended = tuple(
        Candidate(name, forecast, base=base, implied=True)
        for base, one in historical(policy).items()
        if base in WITH_IMPLIED
        for name, forecast in _with_implied(base, one)
    )
    others = (Candidate(name, forecast) for name, forecast in {**textbook.TEXTBOOK, **found}.items())
    return (own, *plain, *others, *blended), tuple(Absent(name, why) for name, why in absent.items())


def historical(policy: Policy) -> Mapping[str, Policy]:
    """Settings of the keeper's own estimators without implied volatility, by what the table calls them."""
    blind = with_implied(policy, "variance", 0.0)

    def hourly(**changes: object) -> Policy:
        plain = {"volatility": "ewma_mix", "correlation": "ewma_mix", "shrink": False}
        return _estimating(blind, **{**plain, **changes})

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
        "mix 5·42 d": mix(5, 42),
        "log-HAR": mix(1, 5, 42, volatility="har"),
    }


def with_implied(policy: Policy, blend: str, weight: float) -> Policy:
    """The same strategy with this blend, and this weight for every asset that has options; 0: blind to them."""
    assets = tuple(replace(one, implied_weight=weight) for one in policy.assets)
    return replace(policy, assets=assets, estimate=replace(policy.estimate, implied_blend=blend))


def _with_implied(name: str, policy: Policy) -> list[tuple[str, Forecast]]:
    own = [
        (f"{name} + {weight:.0%} IV{where}", partial(_own, with_implied(policy, blend, weight)))
        for blend, where in (("variance", ""), ("log", ", logs"))
        for weight in WEIGHTS
    ]
    running = (f"{name} + 50% IV, ratio", partial(_running_ratio, policy))
    return [*own, running]


def _running_ratio(policy: Policy, seen: Seen) -> NDArray[np.float64]:
    """Half of implied in logs, first scaled by the running ratio of realised to implied variance."""
    scales = textbook.realised_to_implied(seen)
    scale_of = {
        one.implied_underlying: float(scale) for one, scale in zip(policy.assets, scales, strict=True)
    }
    readings = tuple(
        replace(one, volatility=one.volatility * scale_of[one.underlying] ** 0.5)
        for one in seen.evidence.implied
        if one.volatility is not None and np.isfinite(scale_of[one.underlying])
    )
    scaled = replace(seen, evidence=replace(seen.evidence, implied=readings))
    return _own(with_implied(policy, "log", 0.5), scaled)


def _own(policy: Policy, seen: Seen) -> NDArray[np.float64]:
    """What the live keeper's ``estimate`` says."""
    evidence = seen.evidence
    if policy.estimate.bar_seconds == DAY:
        evidence = _daily(seen, policy.estimate)
    return np.array(estimate(evidence, policy).covariance)


def _daily(seen: Seen, policy: EstimatePolicy) -> Evidence:
    closes = seen.daily_closes[-(policy.history_s // DAY) :]
    now = seen.evidence.as_of
    times = now - DAY * np.arange(closes.shape[0] - 1, -1, -1, dtype=np.int64)
    return replace(seen.evidence, bars=PriceBars(seen.evidence.bars.symbols, DAY, times, closes))


def _estimating(policy: Policy, **changes: object) -> Policy:
    changed: EstimatePolicy = replace(policy.estimate, **changes)  # type: ignore[arg-type]
    return replace(policy, estimate=changed)


def _reads_implied(policy: Policy) -> bool:
    return any(one.implied_underlying is not None and one.implied_weight > 0.0 for one in policy.assets)

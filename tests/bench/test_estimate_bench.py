"""The covariance that a cycle estimates from its price bars, ours beside the peers on the same returns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.policy import Policy
from keeper.domain.units import HOURS_PER_YEAR
from keeper.risk.estimate import estimate
from tests.bench.competitors import needed
from tests.bench.inputs import returns
from tests.factories import HOUR, NOW, a_policy, an_estimate_policy, some_assets

F = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore")

ASSETS = 10
BARS = 120 * 24
"""The history that ships: 120 days of hours."""
HALF_LIFE_BARS = 480.0
GROUP = f"covariance, {BARS:,} bars, n = {ASSETS}"


def history() -> F:
    return returns(BARS, ASSETS)


def exact(moves: F) -> F:
    """EWMA covariance about a zero mean, by its definition; shape (n, n), per bar."""
    w = 2.0 ** (-np.arange(len(moves))[::-1] / HALF_LIFE_BARS)
    return np.asarray((moves * (w / w.sum())[:, None]).T @ moves)


def relative_error(theirs: F) -> float:
    return float(np.abs(theirs / exact(history()) - 1).max())


def evidence() -> Evidence:
    closes = np.exp(np.vstack([np.zeros((1, ASSETS)), np.cumsum(history(), axis=0)]))
    times = np.arange(NOW - BARS * HOUR, NOW + 1, HOUR, dtype=np.int64)
    bars = PriceBars(tuple(f"A{i}" for i in range(ASSETS)), HOUR, times, closes)
    return Evidence(NOW, bars, ())


def policy(estimator: str) -> Policy:
    asset = replace(some_assets()[0], implied_underlying=None, budget=1.0 / ASSETS)
    return a_policy(
        assets=tuple(replace(asset, symbol=f"A{i}") for i in range(ASSETS)),
        estimate=an_estimate_policy(
            volatility=estimator,
            correlation=estimator,
            volatility_half_life_days=HALF_LIFE_BARS / 24,
            correlation_half_life_days=HALF_LIFE_BARS / 24,
            shrink=False,
        ),
    )


def test_estimate_with_one_half_life(benchmark: BenchmarkFixture) -> None:
    benchmark.group = GROUP
    model = benchmark(estimate, evidence(), policy("ewma"))
    error = relative_error(np.array(model.covariance) / HOURS_PER_YEAR)
    benchmark.extra_info |= {"who": "keeper, estimate(), one half-life", "error": error}
    assert error <= 1e-9


def test_estimate_with_the_mix_that_ships(benchmark: BenchmarkFixture) -> None:
    benchmark.group = GROUP
    benchmark(estimate, evidence(), policy("ewma_mix"))
    benchmark.extra_info |= {"who": "keeper, estimate(), mix of three half-lives"}


def test_pandas(benchmark: BenchmarkFixture) -> None:
    import pandas as pd

    benchmark.group = GROUP
    frame = pd.DataFrame(history())
    theirs = benchmark.pedantic(
        lambda: frame.ewm(halflife=HALF_LIFE_BARS).cov().iloc[-ASSETS:].to_numpy(), rounds=5, warmup_rounds=1
    )
    benchmark.extra_info |= {
        "who": "pandas ewm().cov(), which demeans",
        "error": relative_error(theirs),
    }


def test_skfolio(benchmark: BenchmarkFixture) -> None:
    needed("skfolio")
    from skfolio.moments import EWCovariance

    benchmark.group = GROUP
    moves, model = history(), EWCovariance(half_life=HALF_LIFE_BARS)
    theirs = benchmark.pedantic(lambda: model.fit(moves).covariance_, rounds=20, warmup_rounds=1)
    benchmark.extra_info |= {"who": "skfolio EWCovariance.fit", "error": relative_error(theirs)}

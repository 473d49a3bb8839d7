"""The last EWMA covariance of a history, ours beside the peers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.risk.ewma import covariance
from tests.bench.competitors import needed
from tests.bench.inputs import returns

F = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore")

ASSETS = 10
HALF_LIFE_BARS = 40.0
LONG_HALF_LIFE_BARS = 480.0


def relative_error(estimated: F, exact: F) -> float:
    return float(np.abs(estimated / exact - 1).max())


def group(bars: int) -> str:
    return f"last EWMA covariance, T = {bars:,}, n = {ASSETS}"


@pytest.mark.parametrize("bars", [10_000, 100_000])
@pytest.mark.parametrize("half_life", [HALF_LIFE_BARS, LONG_HALF_LIFE_BARS])
def test_ewma_covariance(benchmark: BenchmarkFixture, half_life: float, bars: int) -> None:
    benchmark.group = group(bars)
    benchmark(covariance, returns(bars, ASSETS), half_life)
    benchmark.extra_info |= {"who": f"keeper, half-life {half_life:.0f} bars"}


def test_pandas(benchmark: BenchmarkFixture) -> None:
    import pandas as pd

    benchmark.group = group(100_000)
    frame = pd.DataFrame(returns(100_000, ASSETS))
    theirs = benchmark.pedantic(
        lambda: frame.ewm(halflife=HALF_LIFE_BARS).cov().iloc[-ASSETS:].to_numpy(), rounds=3
    )
    ours = covariance(frame.to_numpy(), HALF_LIFE_BARS)
    benchmark.extra_info |= {
        "who": "pandas ewm().cov(), which demeans",
        "error": relative_error(theirs, ours),
    }


def test_skfolio(benchmark: BenchmarkFixture) -> None:
    needed("skfolio")
    from skfolio.moments import EWCovariance

    benchmark.group = group(100_000)
    history = returns(100_000, ASSETS)
    model = EWCovariance(half_life=HALF_LIFE_BARS)
    theirs = benchmark.pedantic(lambda: model.fit(history).covariance_, rounds=5, warmup_rounds=1)
    ours = covariance(history, HALF_LIFE_BARS)
    benchmark.extra_info |= {"who": "skfolio EWCovariance.fit", "error": relative_error(theirs, ours)}

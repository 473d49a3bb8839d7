"""The last EWMA covariance of a history, and the same one bar later, ours beside the peers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.risk import ewma as plain
from keeper.risk.compiled import ewma as compiled
from tests.bench.competitors import needed
from tests.bench.inputs import returns

F = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore")

ASSETS = 10
HALF_LIFE_BARS = 40.0
LONG_HALF_LIFE_BARS = 480.0


def apart(found: F, exact: F) -> float:
    return float(np.abs(found / exact - 1).max())


@pytest.mark.parametrize("bars", [10_000, 100_000])
@pytest.mark.parametrize("half_life", [HALF_LIFE_BARS, LONG_HALF_LIFE_BARS])
@pytest.mark.parametrize("function", [compiled.covariance, plain.covariance], ids=["compiled", "live"])
def test_ours(benchmark: BenchmarkFixture, function: Callable[..., F], half_life: float, bars: int) -> None:
    benchmark.group = f"last EWMA covariance, T = {bars:,}, n = {ASSETS}"
    history = returns(bars, ASSETS)
    function(history, half_life)
    found = benchmark(function, history, half_life)
    kind = "compiled" if function is compiled.covariance else "live (numpy only)"
    benchmark.extra_info |= {
        "who": f"keeper, {kind}, half-life {half_life:.0f} bars",
        "error": apart(found, plain.covariance(history, half_life)),
    }


def test_pandas(benchmark: BenchmarkFixture) -> None:
    import pandas as pd

    benchmark.group = f"last EWMA covariance, T = {100_000:,}, n = {ASSETS}"
    frame = pd.DataFrame(returns(100_000, ASSETS))
    found = benchmark.pedantic(
        lambda: frame.ewm(halflife=HALF_LIFE_BARS).cov().iloc[-ASSETS:].to_numpy(), rounds=3
    )
    exact = plain.covariance(frame.to_numpy(), HALF_LIFE_BARS)
    benchmark.extra_info |= {"who": "pandas ewm().cov(), which demeans", "error": apart(found, exact)}


def test_skfolio(benchmark: BenchmarkFixture) -> None:
    needed("skfolio")
    from skfolio.moments import EWCovariance

    benchmark.group = f"last EWMA covariance, T = {100_000:,}, n = {ASSETS}"
    history = returns(100_000, ASSETS)
    model = EWCovariance(half_life=HALF_LIFE_BARS)
    found = benchmark.pedantic(lambda: model.fit(history).covariance_, rounds=5, warmup_rounds=1)
    exact = plain.covariance(history, HALF_LIFE_BARS)
    benchmark.extra_info |= {"who": "skfolio EWCovariance.fit", "error": apart(found, exact)}


# --------------------------------------------------------------- one bar more

ONE_MORE = f"EWMA covariance, one bar more, n = {ASSETS}"
WINDOW = 2_880


@njit
def update_loop(state: F, history: F, lam: float) -> None:
    for t in range(history.shape[0]):
        compiled.update(state, history[t], lam)


@njit
def slide_loop(state: F, history: F, lam: float, window: int) -> None:
    oldest = lam**window
    for t in range(window, history.shape[0]):
        compiled.slide(state, history[t], history[t - window], lam, oldest)


def test_our_update_in_a_compiled_loop(benchmark: BenchmarkFixture) -> None:
    benchmark.group = ONE_MORE
    history, lam = returns(20_000, ASSETS), plain.decay(HALF_LIFE_BARS)
    state = np.zeros((ASSETS, ASSETS))
    update_loop(state, history, lam)
    benchmark.pedantic(update_loop, args=(state, history, lam), rounds=25)
    benchmark.extra_info |= {
        "who": "keeper, compiled loop, endless memory",
        "times": len(history),
        "error": apart(state, plain.covariance(history, HALF_LIFE_BARS)),
    }


def test_our_window_in_a_compiled_loop(benchmark: BenchmarkFixture) -> None:
    benchmark.group = ONE_MORE
    history, lam = returns(20_000, ASSETS), plain.decay(LONG_HALF_LIFE_BARS)
    first = plain.covariance(history[:WINDOW], LONG_HALF_LIFE_BARS)
    state = first.copy()
    slide_loop(state, history, lam, WINDOW)
    error = apart(state, plain.covariance(history[-WINDOW:], LONG_HALF_LIFE_BARS))
    benchmark.pedantic(slide_loop, args=(state, history, lam, WINDOW), rounds=25)
    benchmark.extra_info |= {
        "who": "keeper, compiled loop, a window as live",
        "times": len(history) - WINDOW,
        "error": error,
    }


def test_skfolio_partial_fit(benchmark: BenchmarkFixture) -> None:
    needed("skfolio")
    from skfolio.moments import EWCovariance

    benchmark.group = ONE_MORE
    history = returns(20_000, ASSETS)
    model = EWCovariance(half_life=HALF_LIFE_BARS).fit(history[:-1])
    model.partial_fit(history[-1:])
    error = apart(model.covariance_, plain.covariance(history, HALF_LIFE_BARS))
    benchmark(model.partial_fit, history[-1:])
    benchmark.extra_info |= {"who": "skfolio EWCovariance.partial_fit", "error": error}

"""Equal risk contributions at n = 10 to 1,000, ours beside the peers. No time is asserted; precision is."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.risk.budgets import risk_parity
from keeper.risk.compiled.scaling import TOLERANCE, scale, workspace
from tests.bench import competitors
from tests.bench.inputs import CONDITIONS, covariance, gap, history

F = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore")

SIZES = (10, 50, 200, 1000)
# Few enough consecutive matrices that they stay in the cache, as a backtest's one matrix does.
BARS = {10: 1_000, 50: 50, 200: 4, 1000: 1}
SOLVES = {10: 2_000, 50: 500, 200: 50, 1000: 2}
HALF_LIFE_BARS = 480.0


@njit
def cold_loop(correlations: F, b: F, x: F, work: F, solves: int) -> float:
    worst = 0.0
    for k in range(solves):
        x[:] = 0.0
        worst = max(worst, scale(correlations[k % correlations.shape[0]], b, x, work))
    return worst


@njit
def warm_loop(correlations: F, b: F, x: F, work: F, solves: int) -> float:
    """To the last bar and back, so that every solve starts one bar away from its answer."""
    worst, bars = 0.0, correlations.shape[0]
    for k in range(solves):
        there = k % max(1, 2 * bars - 2)
        worst = max(worst, scale(correlations[min(there, 2 * bars - 2 - there)], b, x, work))
    return worst


LOOPS: dict[str, Any] = {"from the bar before": warm_loop, "from nothing": cold_loop}


def group(n: int) -> str:
    return f"equal risk, n = {n}"


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("start", LOOPS)
def test_kernel_of_the_backtest_screen(benchmark: BenchmarkFixture, n: int, start: str) -> None:
    benchmark.group = group(n)
    loop = LOOPS[start]
    b, x, work = np.full(n, 1 / n), np.zeros(n), workspace(n)
    # One matrix has no bar before: at n = 1000 the two that alternate are a bar apart.
    correlations = history(n, max(BARS[n], 2), HALF_LIFE_BARS)
    loop(correlations, b, x, work, 3)
    worst = benchmark.pedantic(loop, args=(correlations, b, x, work, SOLVES[n]), rounds=101)
    benchmark.extra_info |= {
        "who": f"keeper, kernel of the backtest screen, {start}",
        "times": SOLVES[n],
        "error": worst,
    }
    assert worst <= TOLERANCE


@pytest.mark.parametrize("n", SIZES)
def test_risk_parity(benchmark: BenchmarkFixture, n: int) -> None:
    benchmark.group = group(n)
    sigma, b = covariance(n), np.full(n, 1 / n)
    weights = benchmark.pedantic(risk_parity, (sigma, b), rounds=15 if n < 1000 else 3, warmup_rounds=1)
    benchmark.extra_info |= {"who": "keeper, risk_parity (numpy), all checks", "error": gap(weights, sigma)}
    assert gap(weights, sigma) <= TOLERANCE


PEERS: dict[str, Callable[[F], competitors.Solve]] = {
    "skfolio RiskBudgeting": competitors.skfolio_risk_budgeting,
    "riskfolio-lib rp_optimization": competitors.riskfolio_risk_parity,
    "riskparityportfolio, by default": lambda s: competitors.riskparityportfolio_design(s, 1e-4, "spinu"),
    "riskparityportfolio, tol 1e-8": lambda s: competitors.riskparityportfolio_design(s, 1e-8, "choi"),
    "riskparityportfolio, to our precision": lambda s: competitors.riskparityportfolio_design(
        s, 1e-10 / len(s), "choi"
    ),
    "scipy SLSQP as in tutorials": competitors.scipy_slsqp,
    "numpy/scipy Newton with Cholesky": competitors.scipy_cholesky_newton,
}
SLOW = {"skfolio RiskBudgeting", "riskfolio-lib rp_optimization", "scipy SLSQP as in tutorials"}
TOO_SLOW = {("scipy SLSQP as in tutorials", 200), ("scipy SLSQP as in tutorials", 1000)}


@pytest.mark.parametrize(("who", "n"), [(who, n) for n in SIZES for who in PEERS if (who, n) not in TOO_SLOW])
def test_peer(benchmark: BenchmarkFixture, who: str, n: int) -> None:
    benchmark.group = group(n)
    sigma = covariance(n)
    solve = PEERS[who](sigma)
    if who in SLOW and n == 1000:
        weights = benchmark.pedantic(solve, rounds=1)
    elif who in SLOW:
        weights = benchmark.pedantic(solve, rounds=5, warmup_rounds=1)
    else:
        weights = benchmark(solve)
    benchmark.extra_info |= {"who": who, "error": gap(weights, sigma)}


# --------------------------------------------------- against one factorisation


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_thousand_assets(benchmark: BenchmarkFixture, condition: str) -> None:
    benchmark.group = "n = 1000 against one Cholesky factorisation"
    n = 1000
    correlation = CONDITIONS[condition](n)
    b, x, work = np.full(n, 1 / n), np.zeros(n), workspace(n)
    loop = LOOPS["from nothing"]
    loop(correlation[None], b, x, work, 1)
    worst = benchmark.pedantic(loop, args=(correlation[None], b, x, work, 1), rounds=51)
    benchmark.extra_info |= {"who": f"keeper, from nothing: {condition}", "error": worst}
    assert worst <= TOLERANCE


def test_one_cholesky_factorisation_of_a_thousand(benchmark: BenchmarkFixture) -> None:
    from scipy.linalg import cholesky

    benchmark.group = "n = 1000 against one Cholesky factorisation"
    correlation = CONDITIONS["one market"](1000)
    benchmark(cholesky, correlation, lower=True, check_finite=False)
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    benchmark.extra_info |= {"who": f"scipy Cholesky, OPENBLAS_NUM_THREADS={threads}", "error": None}

"""Equal risk contributions at n = 10 to 1,000, ours beside the peers. No time is asserted; precision is."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.risk.budgets import risk_parity
from tests.bench import competitors
from tests.bench.inputs import CONDITIONS, covariance, gap

F = NDArray[np.float64]

pytestmark = pytest.mark.filterwarnings("ignore")

SIZES = (10, 50, 200, 1000)
TOLERANCE = 1e-10


def group(n: int) -> str:
    return f"equal risk, n = {n}"


@pytest.mark.parametrize("n", SIZES)
def test_risk_parity(benchmark: BenchmarkFixture, n: int) -> None:
    benchmark.group = group(n)
    sigma, b = covariance(n), np.full(n, 1 / n)
    if n == 1000:
        weights = benchmark.pedantic(risk_parity, (sigma, b), rounds=3, warmup_rounds=1)
    else:
        weights = benchmark(risk_parity, sigma, b)
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
    b = np.full(n, 1 / n)
    weights = benchmark.pedantic(risk_parity, (correlation, b), rounds=5, warmup_rounds=1)
    error = gap(weights, correlation)
    benchmark.extra_info |= {"who": f"keeper, risk_parity: {condition}", "error": error}
    assert error <= TOLERANCE


def test_one_cholesky_factorisation_of_a_thousand(benchmark: BenchmarkFixture) -> None:
    from scipy.linalg import cholesky

    benchmark.group = "n = 1000 against one Cholesky factorisation"
    correlation = CONDITIONS["one market"](1000)
    benchmark(cholesky, correlation, lower=True, check_finite=False)
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    benchmark.extra_info |= {"who": f"scipy Cholesky, OPENBLAS_NUM_THREADS={threads}", "error": None}

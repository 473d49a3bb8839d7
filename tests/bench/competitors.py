"""The libraries compared with, each called the shortest way it offers; a missing one skips its row."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

F = NDArray[np.float64]
Solve = Callable[[], F]


def skfolio_risk_budgeting(sigma: F) -> Solve:
    """Equal risk by skfolio's RiskBudgeting, the covariance given so that its estimation does not count."""
    needed("skfolio")
    from skfolio.optimization import RiskBudgeting
    from skfolio.prior import BasePrior, ReturnDistribution

    class Given(BasePrior):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def fit(self, X: F, y: object = None, **_: object) -> Given:  # noqa: N803
            self.return_distribution_ = ReturnDistribution(
                mu=np.zeros(len(sigma)), covariance=sigma, returns=X
            )
            return self

    model, observations = RiskBudgeting(prior_estimator=Given()), np.zeros((3, len(sigma)))
    return lambda: np.asarray(model.fit(observations).weights_)


def riskfolio_risk_parity(sigma: F) -> Solve:
    """Equal risk by riskfolio-lib's rp_optimization on a given covariance."""
    library = needed("riskfolio")
    import pandas as pd

    names = [str(i) for i in range(len(sigma))]
    portfolio = library.Portfolio(returns=pd.DataFrame(np.zeros((3, len(sigma))), columns=names))
    portfolio.mu = pd.DataFrame(np.zeros((1, len(sigma))), columns=names)
    portfolio.cov = pd.DataFrame(sigma, index=names, columns=names)
    return lambda: np.asarray(
        portfolio.rp_optimization(model="Classic", rm="MV", rf=0, b=None, hist=True)
    ).ravel()


def riskparityportfolio_design(sigma: F, tolerance: float, method: str) -> Solve:
    """Equal risk by coordinate descent in C++. The package imports jax, which it does not install; its solver is
    loaded by itself. Its two method labels are swapped: "choi" runs Spinu's and the other way round."""
    needed("riskparityportfolio", load=False)
    files = importlib.metadata.files("riskparityportfolio") or []
    path = next(file.locate() for file in files if "vanilla" in file.name and file.suffix == ".so")
    spec = importlib.util.spec_from_file_location("vanilla", str(path))
    assert spec is not None
    assert spec.loader is not None
    solver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(solver)
    budgets = np.full(len(sigma), 1 / len(sigma))
    return lambda: np.asarray(solver.design(sigma, budgets, tolerance, 100_000, method)).ravel()


def scipy_slsqp(sigma: F) -> Solve:
    """Equal risk as tutorials do it: SLSQP on squared differences of risk contributions, default tolerance."""
    from scipy.optimize import minimize

    n = len(sigma)

    def spread(w: F) -> float:
        contributions = w * (sigma @ w) / np.sqrt(w @ sigma @ w)
        return float(np.square(contributions - contributions.mean()).sum())

    solver: Any = minimize  # its stubs want constraints as a class

    def solve() -> F:
        return np.asarray(
            solver(
                spread,
                np.full(n, 1 / n),
                method="SLSQP",
                bounds=[(0, 1)] * n,
                constraints={"type": "eq", "fun": lambda w: float(w.sum()) - 1},
            ).x
        )

    return solve


def scipy_cholesky_newton(sigma: F) -> Solve:
    """Equal risk by what one would write with scipy: Newton steps in correlation space, each with a Cholesky factor."""
    from scipy.linalg import cho_factor, cho_solve

    deviations = np.sqrt(np.diag(sigma))
    correlation = sigma / np.outer(deviations, deviations)
    n = len(sigma)

    def solve() -> F:
        x = np.full(n, 1 / np.sqrt(correlation.sum()))
        for _ in range(100):
            gradient = 1 / n / x - correlation @ x
            if np.abs(n * x * gradient).max() < 1e-11:
                break
            hessian = correlation.copy()
            hessian.flat[:: n + 1] += 1 / n / x**2
            step = cho_solve(
                cho_factor(hessian, lower=True, check_finite=False), gradient, check_finite=False
            )
            largest = np.abs(step / x).max()
            x = x + step / (1 if largest < 0.5 else 1 + largest)
        weights = x / deviations
        return np.asarray(weights / weights.sum())

    return solve


def needed(name: str, *, load: bool = True) -> ModuleType:
    """The library, or a skip that says how to get it."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: `make bench` installs the group of peers")
    if not load:
        return pytest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)

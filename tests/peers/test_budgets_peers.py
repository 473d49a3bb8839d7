"""Our weights against those of other people's solvers, to the precision those reach."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from numpy.typing import NDArray

from keeper.risk.budgets import risk_parity

F = NDArray[np.float64]

# Their interior-point solvers stop at relative gaps of about 1e-8 in an objective that the weights enter in the second
# order, so the weights are good to about 1e-4; the worst of these cases is 8e-5 apart from ours. The mistakes this
# guards against (another objective, another order of assets, budgets ignored) are a hundred times larger.
THEIR_PRECISION = 5e-4


def a_covariance(n: int, generator: np.random.Generator) -> F:
    """Daily, positive definite, correlations of both signs, volatilities over one order of magnitude."""
    loadings = generator.normal(0.5, 0.7, (n, 3))
    base = loadings @ loadings.T + np.diag(generator.uniform(0.3, 2, n))
    scale = 10.0 ** generator.uniform(-2, -1, n) / np.sqrt(np.diag(base))
    return np.asarray(base * np.outer(scale, scale))


def cases() -> list[tuple[int, bool]]:
    return [(n, equal) for n in (2, 3, 5, 8, 13, 20) for equal in (True, False)]


def problem(n: int, *, equal: bool) -> tuple[F, F]:
    generator = np.random.default_rng(1_000 * n + equal)
    sigma = a_covariance(n, generator)
    budgets = np.ones(n) if equal else generator.uniform(0.2, 1, n)
    return (sigma + sigma.T) / 2, budgets / budgets.sum()


def library(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: `make bench` installs the group of peers")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n", "equal"), cases())
def test_skfolio_finds_the_same_weights(n: int, equal: bool) -> None:
    library("skfolio")
    from skfolio.optimization import RiskBudgeting
    from skfolio.prior import BasePrior, ReturnDistribution

    sigma, budgets = problem(n, equal=equal)

    class Given(BasePrior):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def fit(self, X: F, y: object = None, **_: object) -> Given:  # noqa: N803
            # In units of the mean variance: its solver's tolerances are absolute.
            scaled = sigma / np.diag(sigma).mean()
            self.return_distribution_ = ReturnDistribution(mu=np.zeros(n), covariance=scaled, returns=X)
            return self

    model = RiskBudgeting(prior_estimator=Given(), risk_budget=budgets).fit(np.zeros((3, n)))
    np.testing.assert_allclose(np.asarray(model.weights_), risk_parity(sigma, budgets), rtol=THEIR_PRECISION)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n", "equal"), cases())
def test_riskfolio_lib_finds_the_same_weights(n: int, equal: bool) -> None:
    library("riskfolio")
    import pandas as pd
    import riskfolio

    sigma, budgets = problem(n, equal=equal)
    names = [f"asset {i}" for i in range(n)]
    portfolio = riskfolio.Portfolio(returns=pd.DataFrame(np.zeros((3, n)), columns=names))
    portfolio.mu = pd.DataFrame(np.zeros((1, n)), columns=names)
    portfolio.cov = pd.DataFrame(sigma, index=names, columns=names)
    weights = portfolio.rp_optimization(model="Classic", rm="MV", rf=0, b=budgets.reshape(-1, 1), hist=True)
    np.testing.assert_allclose(weights.to_numpy().ravel(), risk_parity(sigma, budgets), rtol=THEIR_PRECISION)

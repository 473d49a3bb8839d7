"""Risk parity over factors: each factor carries its budget of the risk that the factors explain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidBudgets, InvalidSetting
from keeper.domain.policy import RiskFactor
from keeper.risk.budgets import risk_parity
from keeper.risk.caps import FeasibleCaps
from keeper.risk.inputs import checked_inputs
from keeper.risk.quadratic import minimise

UNEXPLAINED_PRICE = 1e-6
"""What a unit of unexplained variance costs beside a unit of variance that the factors miss: they come first."""
SINGULAR_RIDGE = 1e-12
"""Added to the diagonal of the correlation, times n, so that perfectly correlated assets have one solution."""
MISSED_SHARE = 1e-4
"""A factor whose share of risk is further from its budget has a name for the reason."""
NOTHING = 1e-9
"""A portfolio of less than this part of the wanted one is none."""
SAME_PORTFOLIO = 1e-3
"""Two portfolios at an angle of less than 2.6 degrees, or a third that is so near to what two others hold."""
SAME_RETURN = 1e-9
"""Two factors with a correlation closer to 1 have no shares of risk of their own in double precision."""
PART_OF_COMBINATION = 0.05
"""Less of a factor in the combination is rounding."""
LONG_ONLY = "long_only:"
"""Begins the name of an asset that the wanted portfolio would hold short."""


@dataclass(frozen=True, slots=True, eq=False)
class FactorBudgets:
    """m factors over n assets. ``portfolios`` P (m, n): the return of factor j is that of row j, in any scale.
    ``budgets`` (m,) are positive, in any scale."""

    names: tuple[str, ...]
    portfolios: NDArray[np.float64]
    budgets: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FactorParity:
    """``weights`` (n,), none negative, sum 1. ``short`` names the assets at 0 where no portfolio without short
    positions meets the budgets, so that the weights are only the nearest; empty where they meet them."""

    weights: NDArray[np.float64]
    short: tuple[str, ...]


def named_factors(factors: Sequence[RiskFactor], symbols: Sequence[str]) -> FactorBudgets:
    """The settings' factors over the assets ``symbols``. Raises InvalidSetting."""
    require_factors(factors, symbols)
    return FactorBudgets(
        names=tuple(factor.name for factor in factors),
        portfolios=_portfolios(factors, symbols),
        budgets=np.array([factor.budget for factor in factors]),
    )


def require_factors(factors: Sequence[RiskFactor], symbols: Sequence[str]) -> None:
    """Raises InvalidSetting where there is no factor, one names an asset that is not there, or some are (almost) the
    same bet: of two names for one bet nobody can say which one carries its risk."""
    if not factors:
        raise InvalidSetting(
            "size.allocation is 'factor_risk_parity' and there is no [[size.factors]] table",
            remedy="Add one for each factor, with name, budget and portfolio, or choose another allocation.",
        )
    for factor in factors:
        unknown = [symbol for symbol, _ in factor.portfolio if symbol not in symbols]
        if unknown:
            raise InvalidSetting(
                f"the factor {factor.name} names {', '.join(unknown)}, which is not one of the assets "
                f"({', '.join(symbols)})",
                remedy="Name assets by their symbol, or leave it out of the factor's portfolio.",
            )
    portfolios = _portfolios(factors, symbols)
    names = _dependent(portfolios @ portfolios.T, [factor.name for factor in factors], SAME_PORTFOLIO)
    if names:
        raise InvalidSetting(
            f"the factors {', '.join(names)} are fewer bets than factors: of ({', '.join(symbols)}) one is held by the "
            "others, or almost",
            remedy="Leave one of them out of [[size.factors]], or give it a portfolio of its own.",
        )


def _portfolios(factors: Sequence[RiskFactor], symbols: Sequence[str]) -> NDArray[np.float64]:
    """Rows (m, n), one for each factor."""
    return np.array(
        [[dict(factor.portfolio).get(symbol, 0.0) for symbol in symbols] for factor in factors],
        dtype=np.float64,
    )


def _dependent(products: NDArray[np.float64], names: Sequence[str], smallest: float) -> list[str]:
    """The factors of the combination that is nearly nothing, by the products (m, m) of all with all; none where every
    eigenvalue of them, scaled to a diagonal of 1, is at least ``smallest``."""
    lengths = np.sqrt(np.diag(products))
    values, vectors = np.linalg.eigh(products / np.outer(lengths, lengths))
    if values[0] >= smallest:
        return []
    return [
        name for name, part in zip(names, np.abs(vectors[:, 0]), strict=True) if part >= PART_OF_COMBINATION
    ]


def factor_risk_parity(
    covariance: ArrayLike, factors: FactorBudgets, symbols: Sequence[str], caps: FeasibleCaps | None = None
) -> FactorParity:
    """The weights w, none negative, within the caps, at which each factor carries its budget of the explained risk.

    With factor returns ``f = P r``, their covariance ``O = P S P'`` and the loadings ``A = S P' O^-1`` of the assets,
    a portfolio has the exposures ``y = A'w`` and the variance ``y'O y + w'D w``, where ``D = S - A O A'`` is what the
    factors do not explain. Factor j carries ``y_j (O y)_j`` (Roncalli and Weisang 2016, "Risk parity portfolios with
    risk factors", with P in place of the pseudo-inverse of A, so that nothing unexplained is counted as a factor's).

    1. Wanted exposures u: ``min y'O y/2 - sum b_j ln y_j``, every factor held long. It is risk parity of the factors,
       with one solution (``risk_parity``). The portfolio ``P'u`` has them, and nothing unexplained.
    2. Weights: ``min (A'w - u)'O (A'w - u) + e w'D w`` over w >= 0 within the caps, with a small e. They have the
       wanted exposures where any such weights have them, and the least unexplained risk; else the nearest in risk.

    The second step is skipped where ``P'u`` is allowed. Factors that are long-only portfolios always are, without caps.
    Raises InvalidCovariance, InvalidBudgets, SolverFailed.
    """
    names, _, deviations, correlation = checked_inputs(covariance, np.ones(len(symbols)), symbols)
    # In units of the assets' volatilities every number is about 1.
    portfolios = factors.portfolios * deviations
    of_factors = portfolios @ correlation @ portfolios.T
    same = _dependent(of_factors, factors.names, SAME_RETURN)
    if same:
        raise InvalidBudgets(
            f"by this covariance the factors {', '.join(same)} move together in all they do, so none has a risk of its "
            "own",
            remedy="Leave one of them out of [[size.factors]].",
        )
    aim = portfolios.T @ risk_parity(of_factors, factors.budgets, factors.names)
    aim = aim / math.sqrt(float(aim @ correlation @ aim))
    unlimited = aim / deviations
    if unlimited.min() >= 0.0 and (caps is None or caps.allow(unlimited / unlimited.sum())):
        return FactorParity(np.asarray(unlimited / unlimited.sum(), dtype=np.float64), ())
    explained = (
        correlation @ portfolios.T @ np.linalg.pinv(of_factors, hermitian=True) @ portfolios @ correlation
    )
    n = len(names)
    rows = -np.eye(n)
    start = np.ones(n)
    if caps is not None:
        cone = caps.cone / deviations
        rows = np.vstack([rows, cone / np.linalg.norm(cone, axis=1)[:, None]])
        start = caps.interior * deviations
    nearest = minimise(
        hessian=(1.0 - UNEXPLAINED_PRICE) * explained
        + UNEXPLAINED_PRICE * (correlation + SINGULAR_RIDGE * n * np.eye(n)),
        linear=correlation @ aim,
        rows=rows,
        limits=np.zeros(len(rows)),
        start=start / float(np.linalg.norm(start)),
    )
    held = np.maximum(nearest.point, 0.0)
    held[[row for row in nearest.active if row < n]] = 0.0
    if not float(held.sum()) > NOTHING * float(np.abs(aim).sum()):
        raise InvalidBudgets(
            f"no portfolio without short positions holds the factors {', '.join(factors.names)} long",
            remedy="Change the portfolios or the budgets of the [[size.factors]].",
        )
    weights = held / deviations
    weights = np.asarray(weights / weights.sum(), dtype=np.float64)
    missed = np.abs(factor_shares(weights, covariance, factors.portfolios) - _scaled(factors.budgets))
    short = [names[row] for row in nearest.active if row < n] if missed.max() > MISSED_SHARE else []
    return FactorParity(weights, tuple(short))


def factor_shares(
    weights: ArrayLike, covariance: ArrayLike, portfolios: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The part ``y_j (O y)_j / y'O y`` of the explained variance that each factor carries, (m,), sum 1; all 0 where the
    factors explain none. ``portfolios`` (m, n). Source: Roncalli and Weisang (2016), section 2.3."""
    w, sigma = np.asarray(weights, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    with_factors = portfolios @ sigma @ w
    exposures = np.linalg.pinv(portfolios @ sigma @ portfolios.T, hermitian=True) @ with_factors
    contributions = exposures * with_factors
    explained = float(contributions.sum())
    if explained <= 0.0:
        return np.zeros(len(portfolios))
    return np.asarray(contributions / explained, dtype=np.float64)


def unexplained_share(weights: ArrayLike, covariance: ArrayLike, portfolios: NDArray[np.float64]) -> float:
    """The part ``w'D w / w'S w`` of the variance that no factor explains, in [0, 1]."""
    w, sigma = np.asarray(weights, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    with_factors = portfolios @ sigma @ w
    explained = float(
        with_factors @ np.linalg.pinv(portfolios @ sigma @ portfolios.T, hermitian=True) @ with_factors
    )
    return min(1.0, max(0.0, 1.0 - explained / float(w @ sigma @ w)))


def _scaled(budgets: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(budgets / budgets.sum(), dtype=np.float64)

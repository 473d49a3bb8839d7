"""Checks of what every allocation is given: a covariance, risk budgets and the assets' names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidBudgets, InvalidCovariance

MAX_ASYMMETRY = 1e-9
"""Largest ``|S_ij - S_ji|`` in units of ``s_i s_j`` that rounding in an estimator may leave."""
INDEFINITE_EIGENVALUE = -1e-10
"""Correlations with a smaller eigenvalue contradict each other. Rounding alone gives about -n * 1e-16."""
NULL_EIGENVALUE = 1e-13
"""An eigenvalue below n times this is zero but for rounding: a portfolio without risk."""
NULL_VECTOR_ROUNDING = 1e-9
"""Error of the entries of an eigenvector. An entry of this size has no sign."""
SAFE_PIVOT = 1e-3
"""A matrix whose Cholesky pivots are all larger is definite. A smaller pivot may be rounding, so the eigenvalues are
computed; they are exact but slower."""
INVOLVED_SHARE = 0.1
"""An error names the assets with at least this share of the largest entry."""
_COVARIANCE_REMEDY = "Check the price history it was estimated from."


class AllocationInputs(NamedTuple):
    """Checked inputs of an allocation of n assets.

    ``budgets`` (n,) sum to 1, ``deviations`` (n,) are standard deviations, ``correlation`` (n, n) is symmetric and
    positive semi-definite.
    """

    names: tuple[str, ...]
    budgets: NDArray[np.float64]
    deviations: NDArray[np.float64]
    correlation: NDArray[np.float64]


def checked_inputs(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None
) -> AllocationInputs:
    """Checks ``covariance`` (n, n) and ``budgets`` (n,), positive in any scale.

    Raises InvalidCovariance and InvalidBudgets, naming the asset and why.
    """
    sigma = np.asarray(covariance, dtype=np.float64)
    names = _checked_names(sigma, symbols)
    b = _checked_budgets(budgets, names)
    deviations = _checked_deviations(sigma, names)
    correlation = _checked_correlation(sigma, deviations, names)
    return AllocationInputs(names=names, budgets=b, deviations=deviations, correlation=correlation)


def no_solution(sizes: NDArray[np.float64], names: Sequence[str]) -> InvalidCovariance:
    """The error for assets that hedge each other; ``sizes`` (n,) say how much each takes part in the hedge."""
    return InvalidCovariance(
        f"no weights can be computed: {_involved(sizes, names)} held long together hedge each other (all but) "
        "completely, so their shares of risk are undefined",
        remedy="Leave one of them out, or shrink their correlation.",
    )


def _checked_names(sigma: NDArray[np.float64], symbols: Sequence[str] | None) -> tuple[str, ...]:
    """One name per row; numbered names without ``symbols``."""
    if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or sigma.shape[0] == 0:
        raise InvalidCovariance(
            f"the covariance has shape {sigma.shape}, not (n, n)",
            remedy="Give one row and one column per asset.",
        )
    names = tuple(symbols) if symbols is not None else tuple(f"asset {i}" for i in range(sigma.shape[0]))
    if len(names) != sigma.shape[0]:
        raise InvalidCovariance(
            f"the covariance has {sigma.shape[0]} rows for {len(names)} assets: {', '.join(names)}",
            remedy="Give one row and one column per asset.",
        )
    return names


def _checked_budgets(budgets: ArrayLike, names: Sequence[str]) -> NDArray[np.float64]:
    """Budgets scaled to sum 1."""
    b = np.asarray(budgets, dtype=np.float64)
    if b.shape != (len(names),):
        raise InvalidBudgets(
            f"{b.size} risk budgets in shape {b.shape} for {len(names)} assets",
            remedy="Give each asset exactly one budget.",
        )
    if not (np.minimum.reduce(b) > 0.0 and math.isfinite(total := float(np.add.reduce(b)))):
        raise _bad_budget(b, names)
    return np.asarray(b / total, dtype=np.float64)


def _bad_budget(b: NDArray[np.float64], names: Sequence[str]) -> InvalidBudgets:
    for name, budget in zip(names, b, strict=True):
        if not (np.isfinite(budget) and budget > 0.0):
            return InvalidBudgets(
                f"the risk budget of {name} is {budget}, not a positive number",
                remedy=f"Give {name} a positive budget, or leave it out of the assets.",
            )
    return InvalidBudgets("the risk budgets sum to infinity", remedy="Scale them to sum to 1.")


def _checked_deviations(sigma: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Standard deviations (n,) of a covariance that is finite, symmetric and positive on its diagonal."""
    finite = np.isfinite(sigma)
    if not np.logical_and.reduce(finite, axis=None):
        i, j = np.argwhere(~finite)[0]
        raise InvalidCovariance(
            f"the covariance of {names[i]} and {names[j]} is {sigma[i, j]}", remedy=_COVARIANCE_REMEDY
        )
    variances = sigma.diagonal()
    if np.minimum.reduce(variances) <= 0.0:
        place = int(np.argmax(variances <= 0.0))
        raise InvalidCovariance(
            f"the variance of {names[place]} is {variances[place]}, not a positive number",
            remedy=f"Give {names[place]} a volatility floor, or budget it apart from the risk assets.",
        )
    deviations = np.sqrt(variances)
    if np.logical_or.reduce(sigma != sigma.T, axis=None):
        _require_symmetric(sigma, deviations, names)
    return np.asarray(deviations, dtype=np.float64)


def _require_symmetric(
    sigma: NDArray[np.float64], deviations: NDArray[np.float64], names: Sequence[str]
) -> None:
    gaps = np.abs(sigma - sigma.T) / deviations[:, None] / deviations[None, :]
    if gaps.max() > MAX_ASYMMETRY:
        i, j = divmod(int(gaps.argmax()), len(names))
        raise InvalidCovariance(
            f"the covariance is not symmetric: {names[i]} and {names[j]} have the entries {sigma[i, j]} "
            f"and {sigma[j, i]}",
            remedy=_COVARIANCE_REMEDY,
        )


def _checked_correlation(
    sigma: NDArray[np.float64], deviations: NDArray[np.float64], names: Sequence[str]
) -> NDArray[np.float64]:
    """Correlations (n, n), symmetric to the last bit."""
    correlation = sigma / (deviations[:, None] * deviations)
    correlation = 0.5 * (correlation + correlation.T)
    try:
        pivots = np.linalg.cholesky(correlation).diagonal()
    except np.linalg.LinAlgError:
        _require_solvable(correlation, names)
    else:
        if not np.minimum.reduce(pivots) > SAFE_PIVOT:
            _require_solvable(correlation, names)
    return np.asarray(correlation, dtype=np.float64)


def _require_solvable(correlation: NDArray[np.float64], names: Sequence[str]) -> None:
    """Risk parity has no solution where a portfolio without short positions has no risk: its null vector has one
    sign."""
    eigenvalues, vectors = np.linalg.eigh(correlation)
    smallest, vector = float(eigenvalues[0]), vectors[:, 0]
    sizes = np.abs(vector)
    if smallest < INDEFINITE_EIGENVALUE:
        raise InvalidCovariance(
            f"the covariance is indefinite: the correlations between {_involved(sizes, names)} contradict each other "
            f"(eigenvalue {smallest:.3g})",
            remedy="Estimate all correlations from the same bars.",
        )
    all_same_sign = np.all(vector >= -NULL_VECTOR_ROUNDING) or np.all(vector <= NULL_VECTOR_ROUNDING)
    if smallest < NULL_EIGENVALUE * len(names) and all_same_sign:
        raise no_solution(sizes, names)


def _involved(sizes: NDArray[np.float64], names: Sequence[str]) -> str:
    return ", ".join(
        name for name, size in zip(names, sizes, strict=True) if size > INVOLVED_SHARE * sizes.max()
    )

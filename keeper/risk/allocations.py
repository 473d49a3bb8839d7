"""Allocations of capital to the risk assets, by name. All give weights that sum to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.policy import RiskFactor
from keeper.risk.budgets import risk_parity
from keeper.risk.capped import capped_risk_parity, nearest_within_caps
from keeper.risk.caps import Cap, FeasibleCaps, feasible_caps
from keeper.risk.factors import LONG_ONLY, FactorParity, factor_risk_parity, named_factors
from keeper.risk.hierarchical import hierarchical_risk_parity, require_library
from keeper.risk.minimum_variance import capped_minimum_variance, minimum_variance
from keeper.risk.simple_weights import equal_weight, inverse_volatility
from keeper.risk.torsion import minimum_torsion, torsion_parity

Allocation = Callable[[ArrayLike, ArrayLike, Sequence[str]], NDArray[np.float64]]


class CappedAllocation(Protocol):
    """An allocation that optimises its objective within the caps."""

    def __call__(
        self, covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str], *, caps: FeasibleCaps
    ) -> NDArray[np.float64]: ...


ALLOCATIONS: Mapping[str, Allocation] = {
    "risk_parity": risk_parity,
    "inverse_volatility": inverse_volatility,
    "equal_weight": equal_weight,
    "minimum_variance": minimum_variance,
    "hierarchical_risk_parity": hierarchical_risk_parity,
    "minimum_torsion": minimum_torsion,
}
FACTOR_RISK_PARITY, MINIMUM_TORSION = "factor_risk_parity", "minimum_torsion"
"""Allocations of budgets to factors. Only the first needs the settings' factors."""
OPTIMAL_WITHIN_CAPS: Mapping[str, CappedAllocation] = {
    "risk_parity": capped_risk_parity,
    "minimum_variance": capped_minimum_variance,
}
"""Allocations with an objective, which is optimised within the caps. The others take the nearest allowed weights."""


class Allocated(NamedTuple):
    """``weights`` (n,), none negative, sum 1; ``binding`` names the caps that they exhaust and that changed them, and
    ``long_only:SYMBOL`` where the budgets of factors need that asset short, so that the weights are the nearest."""

    weights: NDArray[np.float64]
    binding: tuple[str, ...]


def allocation(name: str) -> Allocation:
    """The allocation of that name. Raises InvalidSetting."""
    if name not in ALLOCATIONS:
        names = sorted((*ALLOCATIONS, FACTOR_RISK_PARITY))
        raise InvalidSetting(f"size.allocation is {name!r}", remedy=f"Set it to one of: {', '.join(names)}.")
    return ALLOCATIONS[name]


def require_available(name: str) -> None:
    """Raises InvalidSetting for an allocation that is unknown, or whose library is not installed."""
    if name != FACTOR_RISK_PARITY and allocation(name) is hierarchical_risk_parity:
        require_library()


def allocate(
    name: str,
    covariance: ArrayLike,
    budgets: ArrayLike,
    symbols: Sequence[str],
    caps: tuple[Cap, ...] = (),
    factors: Sequence[RiskFactor] = (),
) -> Allocated:
    """Weights of the allocation of that name within the caps. ``factors`` count for ``factor_risk_parity`` alone.

    Weights that already obey the caps are returned unchanged, to the last bit. Raises InvalidSetting,
    InvalidCovariance, InvalidBudgets, SolverFailed.
    """
    feasible = feasible_caps(caps, tuple(symbols)) if caps else None
    if name == FACTOR_RISK_PARITY:
        return _of_factors(
            factor_risk_parity(covariance, named_factors(factors, symbols), symbols, caps=feasible), feasible
        )
    if name == MINIMUM_TORSION:
        return _of_factors(torsion_parity(covariance, budgets, symbols, caps=feasible), feasible)
    weights = allocation(name)(covariance, budgets, symbols)
    if feasible is None or feasible.allow(weights):
        return Allocated(weights, ())
    if name in OPTIMAL_WITHIN_CAPS:
        capped = OPTIMAL_WITHIN_CAPS[name](covariance, budgets, symbols, caps=feasible)
    else:
        capped = nearest_within_caps(weights, feasible)
    return Allocated(feasible.rounded(capped), feasible.binding(capped))


def _of_factors(parity: FactorParity, feasible: FeasibleCaps | None) -> Allocated:
    short = tuple(f"{LONG_ONLY}{symbol}" for symbol in parity.short)
    if feasible is None:
        return Allocated(parity.weights, short)
    return Allocated(feasible.rounded(parity.weights), (*feasible.binding(parity.weights), *short))

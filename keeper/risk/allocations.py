"""Allocations of capital to the risk assets, by name. All give weights that sum to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidSetting
from keeper.risk.budgets import risk_parity
from keeper.risk.capped import capped_risk_parity, nearest_within_caps
from keeper.risk.caps import Cap, FeasibleCaps, feasible_caps
from keeper.risk.hierarchical import hierarchical_risk_parity, require_library
from keeper.risk.minimum_variance import capped_minimum_variance, minimum_variance
from keeper.risk.simple_weights import equal_weight, inverse_volatility

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
}
OPTIMAL_WITHIN_CAPS: Mapping[str, CappedAllocation] = {
    "risk_parity": capped_risk_parity,
    "minimum_variance": capped_minimum_variance,
}
"""Allocations with an objective, which is optimised within the caps. The others take the nearest allowed weights."""


class Allocated(NamedTuple):
    """``weights`` (n,), none negative, sum 1; ``binding`` names the caps that they exhaust and that changed them."""

    weights: NDArray[np.float64]
    binding: tuple[str, ...]


def allocation(name: str) -> Allocation:
    """The allocation of that name. Raises InvalidSetting."""
    if name not in ALLOCATIONS:
        raise InvalidSetting(
            f"size.allocation is {name!r}", remedy=f"Set it to one of: {', '.join(sorted(ALLOCATIONS))}."
        )
    return ALLOCATIONS[name]


def require_available(name: str) -> None:
    """Raises InvalidSetting for an allocation that is unknown, or whose library is not installed."""
    if allocation(name) is hierarchical_risk_parity:
        require_library()


def allocate(
    name: str, covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str], caps: tuple[Cap, ...] = ()
) -> Allocated:
    """Weights of the allocation of that name within the caps.

    Weights that already obey the caps are returned unchanged, to the last bit. Raises InvalidSetting,
    InvalidCovariance, InvalidBudgets, SolverFailed.
    """
    weights = allocation(name)(covariance, budgets, symbols)
    if not caps:
        return Allocated(weights, ())
    feasible = feasible_caps(caps, tuple(symbols))
    if feasible.allow(weights):
        return Allocated(weights, ())
    if name in OPTIMAL_WITHIN_CAPS:
        capped = OPTIMAL_WITHIN_CAPS[name](covariance, budgets, symbols, caps=feasible)
    else:
        capped = nearest_within_caps(weights, feasible)
    return Allocated(feasible.rounded(capped), feasible.binding(capped))

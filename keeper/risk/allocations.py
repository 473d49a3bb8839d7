"""Ways to spread capital over the risk assets, by name; all give weights that sum to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidSetting
from keeper.risk.budgets import risk_parity

Allocation = Callable[[ArrayLike, ArrayLike, Sequence[str]], NDArray[np.float64]]

ALLOCATIONS: Mapping[str, Allocation] = {"risk_parity": risk_parity}


def allocation(name: str) -> Allocation:
    """The allocation of that name. Raises InvalidSetting."""
    if name not in ALLOCATIONS:
        raise InvalidSetting(
            f"size.allocation is {name!r}", remedy=f"Set it to one of: {', '.join(sorted(ALLOCATIONS))}."
        )
    return ALLOCATIONS[name]

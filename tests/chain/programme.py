"""A mixed-integer linear programme, written row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

Terms = Mapping[int, float]
"""Factor by variable."""
GAP = 1e-4
COST_UNITS = (1.0, 0.5)
"""In another unit of cost the programme is the same, and the solver comes to its least along other numbers."""
LONGEST_S = 20.0
"""Stopped there, the bound that is proven by then is one all the same."""


@dataclass
class Programme:
    """Minimises the sum of ``costs`` times variables."""

    costs: list[float] = field(default_factory=list)
    from_to: list[tuple[float, float]] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    rows: list[tuple[Terms, float, float]] = field(default_factory=list)

    def variable(self, cost: float, most: float, *, least: float = 0.0, whole: bool = False) -> int:
        self.costs.append(cost)
        self.from_to.append((least, most))
        self.whole.append(whole)
        return len(self.costs) - 1

    def within(self, terms: Terms, least: float, most: float) -> None:
        self.rows.append((terms, least, most))

    def at_least(self, terms: Terms, least: float) -> None:
        self.within(terms, least, math.inf)

    def at_most(self, terms: Terms, most: float) -> None:
        self.within(terms, -math.inf, most)

    def least(self) -> float:
        """A proven lower bound on the minimum, within ``GAP`` of it unless time runs out.

        The lower one of two runs: where variables have no largest value, HiGHS 1.12 has been seen to call optimal what
        is far from it, with its presolve or without, which would be no bound. So each has one, and neither run alone is
        believed. A run that the solver gives up proves nothing and is left aside: HiGHS takes back an optimum whose
        rows are missed by its tolerance of 1e-6. Where it gives up both, it is asked in another unit of cost.
        """
        for unit in COST_UNITS:
            found = [self._solved(unit, presolve=presolve) for presolve in (True, False)]
            proven = [bound for bound in found if bound is not None]
            if proven:
                return min(proven)
        raise AssertionError("the solver gave all runs up")

    def _solved(self, unit: float, *, presolve: bool) -> float | None:
        matrix = np.zeros((len(self.rows), len(self.costs)))
        for place, (terms, _, _) in enumerate(self.rows):
            for variable, factor in terms.items():
                matrix[place, variable] = factor
        found = milp(
            np.array(self.costs) / unit,
            integrality=np.array(self.whole, dtype=int),
            bounds=Bounds(*np.array(self.from_to).T),
            constraints=LinearConstraint(
                matrix, [least for _, least, _ in self.rows], [most for _, _, most in self.rows]
            ),
            options={"mip_rel_gap": GAP, "time_limit": LONGEST_S, "presolve": presolve},
        )
        return None if found.mip_dual_bound is None else float(found.mip_dual_bound) * unit

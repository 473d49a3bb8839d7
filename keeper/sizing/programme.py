"""A linear programme whose constraints have names: minimise cost over columns of at least 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import SolverFailed

SOLVED, INFEASIBLE = 0, 2
"""What scipy.optimize.linprog calls them."""
NO_PRICE = 1e-9
"""A shadow price below it is rounding."""


@dataclass(frozen=True, slots=True)
class Solved:
    """``values`` by column. ``binding`` is the constraint with the highest shadow price, empty where none costs."""

    values: Mapping[str, float]
    binding: str


@dataclass(slots=True)
class _Rows:
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, row: Mapping[int, float], side: float, name: str) -> None:
        place = len(self.sides)
        self.entries += [(place, column, value) for column, value in row.items() if value]
        self.sides.append(side)
        self.names.append(name)

    def matrix(self, columns: int) -> NDArray[np.float64] | None:
        if not self.sides:
            return None
        matrix = np.zeros((len(self.sides), columns))
        for row, column, value in self.entries:
            matrix[row, column] = value
        return matrix


@dataclass(slots=True)
class Programme:
    """Columns are added before the rows that use them. Amounts are solved in parts of ``unit``, because the solver's
    tolerances are absolute: a unit is as much as all that is divided."""

    unit: float = 1.0
    costs: list[float] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)
    limit_names: list[str] = field(default_factory=list)
    columns: dict[str, int] = field(default_factory=dict)
    below: _Rows = field(default_factory=_Rows)
    equal: _Rows = field(default_factory=_Rows)

    def column(
        self, name: str, *, cost: float = 0.0, minimum: float = 0.0, most: float = math.inf, limit: str = ""
    ) -> str:
        """``limit`` names what ``most`` stands for."""
        self.columns[name] = len(self.costs)
        self.costs.append(cost)
        self.limits.append((minimum, max(minimum, most)))
        self.limit_names.append(limit)
        return name

    def at_most(self, row: Mapping[str, float], side: float, name: str) -> None:
        self.below.add({self.columns[column]: value for column, value in row.items()}, side, name)

    def equals(self, row: Mapping[str, float], side: float, name: str = "") -> None:
        self.equal.add({self.columns[column]: value for column, value in row.items()}, side, name)

    def solved(self) -> Solved | None:
        """None where no point satisfies every constraint. The same input gives the same point.

        Raises SolverFailed where the solver does not say which: that is no statement about the constraints."""
        result = self._result()
        if result.status == INFEASIBLE:
            return None
        if result.status != SOLVED:
            raise _failed(result.message)
        prices = [
            *zip(np.abs(result.ineqlin.marginals).tolist(), self.below.names, strict=True),
            *zip(np.abs(result.upper.marginals).tolist(), self.limit_names, strict=True),
        ]
        price, name = max(
            ((price, name) for price, name in prices if name), key=lambda pair: pair[0], default=(0.0, "")
        )
        values = (np.asarray(result.x) * self.unit).tolist()
        return Solved(
            {column: max(0.0, values[place]) for column, place in self.columns.items()},
            name if price > NO_PRICE else "",
        )

    def _result(self) -> Any:
        """By HiGHS, dual simplex. Its presolve may leave open whether a point exists, so what is not answered is asked
        again without."""
        from scipy.optimize import linprog  # takes 40 MB, which a vault with one account never needs

        count, result = len(self.costs), None
        for presolve in (True, False):
            try:
                result = linprog(
                    self.costs,
                    A_ub=self.below.matrix(count),
                    b_ub=[side / self.unit for side in self.below.sides] or None,
                    A_eq=self.equal.matrix(count),
                    b_eq=[side / self.unit for side in self.equal.sides] or None,
                    bounds=[(lower / self.unit, upper / self.unit) for lower, upper in self.limits],
                    method="highs-ds",
                    options={"presolve": presolve},
                )
            except ValueError as error:
                raise _failed(str(error)) from None
            if result.status in (SOLVED, INFEASIBLE):
                break
        return result


def _failed(why: str) -> SolverFailed:
    return SolverFailed(
        f"the linear programme of the accounts was not solved: {why}",
        remedy="The keeper takes on no debt meanwhile. Check prices, caps and rates of each account's market.",
    )

"""Compiles every kernel into numba's cache, so that no backtest waits for it: ``python -m keeper.risk.compiled``."""

from __future__ import annotations

import numpy as np

from keeper.risk.compiled import budgets, ewma


def compile_all() -> None:
    """Calls each kernel once, on float64 arrays as they come from numpy."""
    covariance = np.eye(2)
    budgets.risk_parity(covariance, np.array([0.5, 0.5]))
    budgets.risk_parity(np.eye(budgets.CHECKED_BY_LOOPS + 1), np.ones(budgets.CHECKED_BY_LOOPS + 1))
    ewma.covariance(np.ones((3, 2)), 1.0)
    r = np.ones(2)
    ewma.update(covariance, r, 0.5)
    ewma.grow(covariance, r, 0.5, 1)
    ewma.slide(covariance, r, r, 0.5, 0.25)


if __name__ == "__main__":
    compile_all()

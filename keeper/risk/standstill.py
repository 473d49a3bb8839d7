"""Prices that are carried on, in place of new ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNUSUAL_STANDSTILL = 0.05
"""By chance, a price stands still for this long in fewer than this part of its bars: it is carried, not quiet."""


def standstill(closes: NDArray[np.float64]) -> tuple[int, bool]:
    """``longest_standstill`` and ``is_moving`` of the same closes."""
    runs = _runs(closes)
    return int(runs.max(initial=0)), _is_usual(runs, closes.size)


def longest_standstill(closes: NDArray[np.float64]) -> int:
    """Number of bars of the longest run of equal closes (T,). A missing close equals no other."""
    return int(_runs(closes).max(initial=0))


def is_moving(closes: NDArray[np.float64]) -> bool:
    """Whether the last run of equal closes (T,) is no longer than runs of this asset are.

    An asset of whose closes the part p equals the one before stands still for k more bars with the probability p^k.
    """
    return _is_usual(_runs(closes), closes.size)


def _is_usual(runs: NDArray[np.intp], closes: int) -> bool:
    repeats = int(runs[-1]) - 1 if runs.size else 0
    if repeats <= 0:
        return True
    before = closes - int(runs[-1])
    part = (before - (runs.size - 1)) / max(1, before - 1)
    return bool(part**repeats >= UNUSUAL_STANDSTILL)


def _runs(closes: NDArray[np.float64]) -> NDArray[np.intp]:
    """Lengths of the runs of equal closes, in their order."""
    if not closes.size:
        return np.zeros(0, dtype=np.intp)
    return np.diff(np.concatenate(([0], np.flatnonzero(np.diff(closes) != 0.0) + 1, [closes.size])))

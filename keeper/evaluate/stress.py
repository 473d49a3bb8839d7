"""How often the unit portfolio lost more within the time to act than a stress bound allows for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.path import MarketPath
from keeper.domain.units import SECONDS_PER_YEAR

SIGMAS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Bounds in standard deviations of the forecast."""
LOSSES = (0.20, 0.30, 0.40)
"""Bounds as fractions of the value."""


@dataclass(frozen=True, slots=True)
class Breaches:
    """How many of ``starts`` holds of ``hold_s`` seconds lost more than the bound at their worst.

    ``bound`` is "6 σ" or "40 %"; ``at_closes`` and ``at_lows`` are fractions of the starts.
    """

    bound: str
    hold_s: int
    starts: int
    at_closes: float
    at_lows: float


def breaches(
    path: MarketPath,
    *,
    starts: NDArray[np.int64],
    weights: NDArray[np.float64],
    volatilities: NDArray[np.float64],
    hold_s: int,
) -> tuple[Breaches, ...]:
    """Holds begun at the bars ``starts`` (S,) with unit weights (S, n) and annualised volatilities (S,).

    A low counts as if all assets had theirs at the same moment of a bar, which overstates the loss.
    """
    bars = max(1, math.ceil(hold_s / path.bar_seconds))
    complete = starts + bars < path.times.size
    starts, weights, volatilities = starts[complete], weights[complete], volatilities[complete]
    entry = weights / path.closes[starts]
    closes = _worst_losses(path.closes, starts, entry, bars=bars)
    lows = _worst_losses(path.lows, starts, entry, bars=bars)
    deviations = volatilities * math.sqrt(hold_s / SECONDS_PER_YEAR)
    bounds: Sequence[tuple[str, NDArray[np.float64]]] = [
        *((f"{sigmas:g} σ", sigmas * deviations) for sigmas in SIGMAS),
        *((f"{loss:.0%}", np.full(starts.size, loss)) for loss in LOSSES),
    ]
    return tuple(
        Breaches(
            bound=name,
            hold_s=hold_s,
            starts=starts.size,
            at_closes=float((closes > bound).mean()),
            at_lows=float((lows > bound).mean()),
        )
        for name, bound in bounds
        if starts.size
    )


def _worst_losses(
    prices: NDArray[np.float64], starts: NDArray[np.int64], entry: NDArray[np.float64], *, bars: int
) -> NDArray[np.float64]:
    """Largest loss (S,) within each hold, as a fraction. ``entry`` (S, n) are units per unit of value; bars without a
    price are skipped."""
    worst = np.zeros(starts.size)
    for ahead in range(1, bars + 1):
        worst = np.fmax(worst, 1.0 - (entry * prices[starts + ahead]).sum(axis=1))
    return worst

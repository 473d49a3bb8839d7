"""The worst losses in the price history, kept per asset so that any portfolio's worst loss follows from them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import PriceBars

Losses = tuple[float, ...]
"""What each asset lost at the same time, as a fraction of its value; negative for a gain."""


def worst_losses(bars: PriceBars, hold_s: int) -> tuple[Losses, ...]:
    """Losses of the assets over ``hold_s`` seconds from any bar, those that are the worst of some portfolio.

    The largest loss over that time of any portfolio without short positions is the largest among these. An asset
    without a price at one end of a hold lost as much as the worst of the others. A history shorter than the hold counts
    as one hold. Empty where nothing ever lost.
    """
    hold = max(1, math.ceil(hold_s / bars.bar_seconds))
    if bars.closes.shape[0] <= hold:
        hold = bars.closes.shape[0] - 1
    if hold < 1:
        return ()
    losses = 1.0 - bars.closes[hold:] / bars.closes[:-hold]
    if np.isnan(losses).any():
        losses = losses[np.isfinite(losses).any(axis=1)]
        worst = np.nanmax(losses, axis=1, keepdims=True, initial=-math.inf)
        losses = np.where(np.isnan(losses), worst, losses)
    return undominated(losses)


def undominated(losses: NDArray[np.float64]) -> tuple[Losses, ...]:
    """The rows of (T, n) in which somebody lost, without those that another row is at least as bad as for every
    asset."""
    # A row per asset: a column per time is the order in which the comparisons are fast. The first column is always
    # undominated: whatever is at least as bad for every asset has a larger sum.
    remaining = np.ascontiguousarray(losses[np.argsort(-losses.sum(axis=1), kind="stable")].T)
    remaining = remaining[:, (remaining > 0.0).any(axis=0)]
    kept = []
    while remaining.size:
        worst = remaining[:, :1]
        kept.append(tuple(worst[:, 0].tolist()))
        remaining = remaining[:, (remaining > worst).any(axis=0)]
    return tuple(kept)

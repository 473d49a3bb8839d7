"""The worst losses in the price history, kept per asset so that any portfolio's worst loss follows from them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import PriceBars
from keeper.risk.market_hours import prices_to_act_at

_BLOCK = 32
"""Times that are compared with each other at once."""
Losses = tuple[float, ...]
"""What each asset lost at the same time, as a fraction of its value; negative for a gain."""


def worst_losses(bars: PriceBars, hold_s: int) -> tuple[Losses, ...]:
    """Losses of the assets over ``hold_s`` seconds from any bar, those that are the worst of some portfolio.

    The largest loss over that time of any portfolio without short positions is the largest among these. An asset
    without a price at one end of a hold lost as much as the worst of the others. One whose market was closed then lost
    what it had lost when the market opened. A history shorter than the hold counts
    as one hold. Empty where nothing ever lost.
    """
    hold = max(1, math.ceil(hold_s / bars.bar_seconds))
    if bars.closes.shape[0] <= hold:
        hold = bars.closes.shape[0] - 1
    if hold < 1:
        return ()
    begins, ends = prices_to_act_at(bars)
    losses = 1.0 - ends[hold:] / begins[:-hold]
    if np.isnan(losses).any():
        losses = losses[np.isfinite(losses).any(axis=1)]
        worst = np.nanmax(losses, axis=1, keepdims=True, initial=-math.inf)
        losses = np.where(np.isnan(losses), worst, losses)
    return undominated(losses)


def undominated(losses: NDArray[np.float64]) -> tuple[Losses, ...]:
    """The rows of (T, n) in which somebody lost, without those that another row is at least as bad as for every
    asset."""
    # The row with the largest sum is always undominated: whatever is at least as bad for every asset has a larger sum.
    # It dominates nearly all others, so only the rest is sorted by that.
    losses = losses[(losses > 0.0).any(axis=1)]
    sums = losses.sum(axis=1)
    if not sums.size:
        return ()
    first = int(np.argmax(sums))
    rest = np.flatnonzero((losses > losses[first]).any(axis=1))
    # A row per asset: a column per time is the order in which the comparisons are fast.
    remaining = np.ascontiguousarray(losses[rest[np.argsort(-sums[rest], kind="stable")]].T)
    kept = [losses[first : first + 1].T]
    while remaining.size:
        block, others = remaining[:, :_BLOCK], remaining[:, _BLOCK:]
        # Whoever a dominated row dominates, its own dominator dominates too. So it may be compared with as well.
        dominates = (block[:, :, None] >= block[:, None, :]).all(axis=0)
        worst = block[:, ~np.triu(dominates, 1).any(axis=0)]
        kept.append(worst)
        remaining = others[:, (others[:, None, :] > worst[:, :, None]).any(axis=0).all(axis=0)]
    return tuple(map(tuple, np.concatenate(kept, axis=1).T.tolist()))

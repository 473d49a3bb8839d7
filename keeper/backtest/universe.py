"""Determines from which bar on each asset can be estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.domain.weekly_closure import WeeklyClosure
from keeper.risk.market_hours import closed_bars, closures


@dataclass(frozen=True, slots=True, eq=False)
class Universe:
    """Bars [start, stop) with the same assets: their columns in the path, and the policy of these alone."""

    start: int
    stop: int
    columns: NDArray[np.intp]
    policy: Policy


def universes(path: MarketPath, policy: Policy) -> tuple[Universe, ...]:
    """In order of time, from the first bar after ``path.decide_after``.

    The live keeper is configured with what its vault holds; here the settings' assets join one by one, budgets scaled
    to sum to 1. Raises BadInput when no asset ever has ``estimate.min_bars`` returns.
    """
    first = int(np.searchsorted(path.times, path.decide_after, side="right"))
    hours = closures(policy.assets)
    joined = {
        column: _first_estimate(_in_hours(path, column, hours.get(symbol)), policy.estimate.min_bars, first)
        for column, symbol in enumerate(path.symbols)
        if any(asset.symbol == symbol for asset in policy.assets)
    }
    starts = sorted({start for start in joined.values() if start is not None})
    if not starts:
        raise BadInput(
            f"the market has {len(path.times)} bars, and no asset {policy.estimate.min_bars} returns to estimate from",
            remedy="Begin earlier, or lower estimate.min_bars.",
        )
    periods = []
    for start, stop in zip(starts, [*starts[1:], len(path.times)], strict=True):
        columns = np.array([c for c, since in joined.items() if since is not None and since <= start])
        periods.append(Universe(start, stop, columns, policy=policy.of([path.symbols[c] for c in columns])))
    return tuple(periods)


def _in_hours(path: MarketPath, column: int, closure: WeeklyClosure | None) -> NDArray[np.float64]:
    """Closes (T,) of the column, NaN in bars in which its market was closed: the estimate has none of them either."""
    closes = path.closes[:, column]
    if closure is None:
        return closes
    return np.where(closed_bars(path.times, path.bar_seconds, closure), np.nan, closes)


def _first_estimate(closes: NDArray[np.float64], min_bars: int, first: int) -> int | None:
    """The first bar from ``first`` on with ``min_bars`` returns up to it."""
    known = np.isfinite(closes)
    returns = np.concatenate([[False], known[1:] & known[:-1]])
    enough = np.flatnonzero(np.cumsum(returns) >= min_bars)
    return max(first, int(enough[0])) if enough.size and first < closes.size else None

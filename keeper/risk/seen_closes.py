"""Whether an exchange still shows the past that the last informed look saw.

The past of a market does not change. An exchange that changes its own could show it calmer than it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from keeper.domain.information import InformedLook, SeenCloses
from keeper.domain.policy import EstimatePolicy


def seen_closes(
    times: NDArray[np.int64],
    candles: Mapping[str, NDArray[np.float64]],
    *,
    as_of: int,
    policy: EstimatePolicy,
) -> tuple[SeenCloses, ...]:
    """What a look at ``as_of`` remembers of each exchange's closes (T,), by ``exchange_series``, on the grid ``times``
    (T,)."""
    period = _period(times, as_of, policy)
    return tuple(
        SeenCloses(series, _sha256(times, closes, period & np.isfinite(closes)))
        for series, closes in candles.items()
    )


def changed_series(
    times: NDArray[np.int64],
    candles: Mapping[str, NDArray[np.float64]],
    look: InformedLook | None,
    *,
    policy: EstimatePolicy,
) -> frozenset[str]:
    """The names of the series of which a close that the look saw is another one now, or is missing.

    A look older than ``accept_after_s`` is not compared: part of what it saw is no longer in the history.
    """
    if look is None or not times.size or times[0] > _since(look.as_of, policy) + policy.bar_seconds:
        return frozenset()
    period = _period(times, look.as_of, policy)
    return frozenset(
        seen.series
        for seen in look.seen_closes
        if seen.series in candles
        and seen.sha256 != _sha256(times, candles[seen.series], period & _was_known(times, seen.series, look))
    )


def _since(as_of: int, policy: EstimatePolicy) -> int:
    """Closes up to then leave the window while a look is compared with later ones."""
    return as_of - policy.history_s + policy.accept_after_s


def _period(times: NDArray[np.int64], as_of: int, policy: EstimatePolicy) -> NDArray[np.bool_]:
    return np.asarray((times > _since(as_of, policy)) & (times <= as_of))


def _was_known(times: NDArray[np.int64], series: str, look: InformedLook) -> NDArray[np.bool_]:
    unknown = np.zeros(times.size, dtype=np.bool_)
    for gap in look.gaps:
        if gap.symbol == series:
            unknown |= (times >= gap.since) & (times <= gap.until)
    return ~unknown


def _sha256(times: NDArray[np.int64], closes: NDArray[np.float64], counted: NDArray[np.bool_]) -> str:
    both = times[counted].astype("<i8").tobytes() + closes[counted].astype("<f8").tobytes()
    return hashlib.sha256(both).hexdigest()

"""An exchange whose past is another one than before is noticed; a past that only moves on is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from keeper.domain.information import Gap, InformedLook
from keeper.risk.seen_closes import changed_series, seen_closes
from tests.factories import DAY, HOUR, an_estimate_policy, an_informed_look

POLICY = an_estimate_policy(history_s=20 * DAY, accept_after_s=7 * DAY)
WINDOW = 20 * 24
GRID = np.arange(0, 40 * 24, dtype=np.int64) * HOUR + 1_700_000 * HOUR
CLOSES = 100.0 * np.exp(np.cumsum(np.random.default_rng(5).standard_normal(GRID.size)) * 0.01)
SERIES = "WETH@kraken"
SEEN_AT = WINDOW
LATEST = SEEN_AT + 7 * 24


def history(end: int, closes: NDArray[np.float64] = CLOSES) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The window that ends before the row ``end``."""
    return GRID[end - WINDOW : end], closes[end - WINDOW : end]


def look(closes: NDArray[np.float64] = CLOSES) -> InformedLook:
    times, seen = history(SEEN_AT, closes)
    as_of = int(times[-1]) + 1
    unknown = times[~np.isfinite(seen)]
    return an_informed_look(
        as_of=as_of,
        gaps=tuple(Gap(SERIES, int(time), int(time)) for time in unknown),
        seen_closes=seen_closes(times, {SERIES: seen}, as_of=as_of, policy=POLICY),
    )


def changed(end: int, closes: NDArray[np.float64], before: InformedLook) -> bool:
    times, now = history(end, closes)
    return changed_series(times, {SERIES: now}, before, policy=POLICY) == {SERIES}


@given(end=st.integers(SEEN_AT, LATEST), unknown=st.sets(st.integers(0, SEEN_AT - 1), max_size=9))
def test_a_past_that_moves_on_and_is_filled_up_is_the_same(end: int, unknown: set[int]) -> None:
    with_holes = CLOSES.copy()
    with_holes[list(unknown)] = math.nan
    assert not changed(end, with_holes, look(with_holes))
    assert not changed(end, CLOSES, look(with_holes))


@given(end=st.integers(SEEN_AT, LATEST), row=st.integers(SEEN_AT - 13 * 24 + 1, SEEN_AT - 1))
@pytest.mark.parametrize("change", [lambda close: np.nextafter(close, 0.0), lambda close: math.nan])
def test_one_close_that_was_seen_and_is_another_one_is_noticed(end: int, row: int, change: object) -> None:
    assert callable(change)
    rewritten = CLOSES.copy()
    rewritten[row] = change(rewritten[row])
    assert changed(end, rewritten, look())


def test_a_close_that_no_look_saw_may_be_any() -> None:
    later = CLOSES.copy()
    later[SEEN_AT:] *= 2.0
    assert not changed(SEEN_AT + 24, later, look())


def test_a_look_that_is_too_old_is_not_compared() -> None:
    assert not changed(LATEST + 2, CLOSES * 2.0, look())
    assert changed(LATEST, CLOSES * 2.0, look())


def test_a_series_that_no_look_knew_and_a_first_start_have_changed_nothing() -> None:
    times, now = history(SEEN_AT)
    assert changed_series(times, {"UNI@kraken": now}, look(), policy=POLICY) == frozenset()
    assert changed_series(times, {SERIES: now}, None, policy=POLICY) == frozenset()

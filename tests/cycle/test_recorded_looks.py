"""Recorded history with one part missing. ``make recorded-looks`` does the same at 568 looks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.cycle.recorded_looks import RecordedLooks, needs_recorded_history
from tests.cycle.rises import ONE_PART_MISSING, Rises

LOOKS = 12
IN_LUNAS_WEEK = datetime(2022, 5, 11, 13, tzinfo=UTC)


@pytest.mark.slow
@needs_recorded_history
def test_at_no_recorded_look_a_missing_part_raises_risk() -> None:
    recorded, rises = RecordedLooks(), Rises()
    for state in (recorded.since(IN_LUNAS_WEEK), *recorded.spread(LOOKS)):
        assert {row: comparison.violations for row, comparison in rises.look_at(state)} == {}
    assert len(list(rises.lines())) == len(ONE_PART_MISSING) + 2

"""A backtest remembers the last informed look: LUNA's week with prices frozen and the option markets silent."""

from __future__ import annotations

import pytest

from tests.backtest.silence import LUNA_WEEK, a_silent_week
from tests.cycle.recorded_looks import needs_recorded_history


@pytest.mark.slow
@needs_recorded_history
def test_in_lunas_week_without_data_leverage_only_falls() -> None:
    week = a_silent_week(LUNA_WEEK)
    assert week.targets.size == 4 * 24 + 1
    assert week.rises == 0
    assert week.after < week.targets[-1]  # with the crash in the history, less is allowed

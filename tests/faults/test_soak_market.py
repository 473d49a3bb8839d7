"""The world of a soak stays the same world, however long it lasts."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.devnet.local_chain import load_history
from tests.faults.soak_market import HOUR, WIGGLE, MovingHistory

pytestmark = pytest.mark.unit


def test_ten_thousand_hours_later_options_are_priced_at_the_volatility_of_the_first() -> None:
    history = load_history(None, None)
    moving: Any = MovingHistory(history)
    for hour in range(1, 10_001, 7):
        moving.move_to(history.at + hour * HOUR)
    for first, last in zip(history.implied, moving.implied, strict=True):
        assert abs(last.volatility / first.volatility[-1] - 1).max() <= 7 * WIGGLE
        assert last.times[-1] == moving.at

"""Recorded borrow rates count while they are fresh; elsewhere the venue's curve does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keeper.recorded.lending import LENDING_FILE, VARIABLE_RATE, borrow_rate_at

START = 1_609_459_200  # 2021-01-01
HOUR = 3_600


def test_a_rate_counts_until_it_is_six_hours_old(tmp_path: Path) -> None:
    (tmp_path / LENDING_FILE).write_text(
        f"ts_utc,{VARIABLE_RATE}\n2021-01-01T00:10:00Z,\n2021-01-01T01:10:00Z,0.05\n2021-01-01T02:10:00Z,0.64\n"
    )
    rates, (note,) = borrow_rate_at(tmp_path, START + HOUR * np.arange(1, 12, dtype=np.int64))
    assert rates[:8] == pytest.approx([np.nan, 0.05] + [0.64] * 6, nan_ok=True)
    assert np.isnan(rates[8:]).all()
    assert note == "USDC borrow rate: Aave V2's in 7 hours, median 64.0%; the venue's curve in the other 4"


@pytest.mark.parametrize("content", [None, f"ts_utc,{VARIABLE_RATE}\n"])
def test_without_a_record_the_note_says_so(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / LENDING_FILE).write_text(content)
    rates, (note,) = borrow_rate_at(tmp_path, START + HOUR * np.arange(3, dtype=np.int64))
    assert np.isnan(rates).all()
    assert "none is recorded" in note

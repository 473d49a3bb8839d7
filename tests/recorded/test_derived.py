"""Prices that follow from another asset's and a yield."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath
from keeper.recorded.derived import DerivedPrice, RecordedYield, bases, with_derived
from keeper.recorded.path import recorded_path
from tests.recorded.folders import GOOD, folder_of, stamp

GAP = 12 * 3_600
STAKED = DerivedPrice("wstETH", "WETH", 0.035)
DOLLAR = DerivedPrice("sDAI", "", RecordedYield("rates.csv", "DGS3MO", lag_days=1))


def path_of(folder: Path, *symbols: str) -> MarketPath:
    return recorded_path(folder_of(folder, [list(row) for row in GOOD]), symbols, None, None, GAP)


def test_a_staked_token_is_its_base_times_what_the_yield_adds_up_to(tmp_path: Path) -> None:
    base = path_of(tmp_path, "WBTC", "WETH")
    path = with_derived(base, (STAKED,), ("wstETH", "WBTC"), tmp_path)
    assert path.symbols == ("wstETH", "WBTC")
    years = (path.times - path.times[0]) / (365 * 86_400)
    np.testing.assert_allclose(path.closes[:, 0], base.closes[:, 1] * np.exp(0.035 * years), rtol=1e-9)
    assert path.closes[:, 1].tolist() == base.closes[:, 0].tolist()
    assert any("wstETH: DERIVED, WETH times a yield of 3.5% a year" in note for note in path.notes)


def test_a_recorded_yield_is_known_the_day_after_its_own_has_ended_and_no_earlier(tmp_path: Path) -> None:
    base = path_of(tmp_path, "WETH")
    rows = [f"2021-12-{day},5.0" for day in range(25, 32)] + ["2022-01-01,50.0", "2022-01-02,5.0"]
    rows += [f"2022-01-{day:02d},5.0" for day in range(3, 32)] + [
        f"2022-02-{day:02d}," for day in range(1, 3)
    ]
    rows += [f"2022-{month:02d}-{day:02d},5.0" for month in range(2, 6) for day in range(3, 29)]
    (tmp_path / "rates.csv").write_text("date_utc,DGS3MO\n" + "\n".join(rows) + "\n")
    path = with_derived(base, (DOLLAR,), ("sDAI",), tmp_path)
    growth = np.diff(np.log(path.closes[:, 0])) * 8_760
    # The rate of 1 January is published on the 2nd, so it counts from the 3rd on, for a day.
    jumped = [stamp(int(hour) + 1) for hour in np.flatnonzero(growth > 0.3)]
    assert (jumped[0], jumped[-1]) == ("2022-01-03T00:00:00Z", "2022-01-03T23:00:00Z")
    assert growth[:40] == pytest.approx(0.05, rel=0.01)


def test_a_yield_that_is_not_recorded_is_refused_with_the_remedy(tmp_path: Path) -> None:
    base = path_of(tmp_path, "WETH")
    (tmp_path / "rates.csv").write_text("date_utc,DGS3MO\n2022-01-01,5.0\n")
    with pytest.raises(BadInput, match=r"rates\.csv: DGS3MO has no value for \d+ bars") as refusal:
        with_derived(base, (DOLLAR,), ("sDAI",), tmp_path)
    assert "constant yield" in refusal.value.remedy


def test_what_must_be_recorded() -> None:
    assert bases((STAKED, DOLLAR), ("WBTC", "wstETH", "sDAI", "WETH")) == ("WBTC", "WETH")


def test_closes_may_be_in_a_file_of_the_asset_alone_and_begin_later(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [list(row) for row in GOOD])
    rows = [f"{stamp(hour)},1800,1801,1790,{1_795 + hour % 5}" for hour in range(100, 2_000)]
    (folder / "hourly_ohlc_PAXG.csv").write_text(
        "ts_close_utc,open,high,low,close\n" + "\n".join(rows) + "\n"
    )
    path = recorded_path(folder, ("WBTC", "PAXG"), None, None, GAP)
    assert math.isnan(path.closes[98, 1])
    assert path.closes[99, 1] == 1_795.0
    assert path.lows[99, 1] == 1_790.0
    assert path.at_closes == ("WBTC",)
    assert any(note.startswith("PAXG: PAXG in hourly_ohlc_PAXG, ") for note in path.notes)

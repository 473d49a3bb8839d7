"""A folder that a researcher brings: every mistake in it is refused with its row, or repaired and counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from keeper.devnet import history
from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath
from keeper.journal.exported_closes import ExportedClose, write
from keeper.recorded.path import recorded_path
from keeper.recorded.prices import price_file
from tests.recorded.folders import GOOD, HEADER, HOURS, START, Rows, folder_of

GAP = 12 * 3_600
WITH_PARQUET = pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")


def load(folder: Path) -> MarketPath:
    return recorded_path(folder, ("WBTC", "WETH", "LINK"), None, None, GAP)


def copied() -> Rows:
    return [list(row) for row in GOOD]


def cell(row: int, column: int, text: str) -> Callable[[], Rows]:
    def damaged() -> Rows:
        rows = copied()
        rows[row][column] = text
        return rows

    return damaged


def every(step: int) -> Callable[[], Rows]:
    return lambda: copied()[step - 1 :: step]


def half_past() -> Rows:
    return [[row[0].replace(":00:00Z", ":30:00Z"), *row[1:]] for row in copied()]


def spike(factor: float, rows: int = 1) -> Callable[[], Rows]:
    def damaged() -> Rows:
        bars = copied()
        for row in range(500, 500 + rows):
            bars[row][1] = f"{float(bars[row][1]) * factor:.4f}"
        return bars

    return damaged


def contradicted() -> Rows:
    rows = copied()
    return [*rows[:700], [rows[699][0], "41000", *rows[699][2:]], *rows[700:]]


REFUSED = {
    "daily bars": (every(24), "most of its rows are 86400 s apart, not 3600 s"),
    "bars of four hours": (every(4), "most of its rows are 14400 s apart"),
    "stamps at half past": (half_past, "line 2: 2022-01-01T01:30:00Z is not on the grid"),
    "a spike of ten": (spike(10.0), "line 502: btc"),
    "a tenth": (spike(0.1), "line 502: btc"),
    "a spike of three hours": (spike(10.0, rows=3), "line 502: btc"),
    "a repeated stamp with another price": (contradicted, "line 701 and line 702 contradict each other"),
    "zero": (cell(300, 1, "0"), "line 302: btc '0' is not a positive price"),
    "a negative price": (cell(300, 1, "-5"), "line 302: btc '-5' is not"),
    "infinity": (cell(300, 1, "inf"), "line 302: btc 'inf' is not"),
    "beyond a float": (cell(300, 1, "1e999"), "line 302: btc '1e999' is not"),
    "a decimal comma": (cell(300, 1, '"40,5"'), "line 302: btc '40,5' is not"),
    "a word": (cell(300, 1, "much"), "line 302: btc 'much' is not"),
    "a stamp that is none": (cell(300, 0, "yesterday"), "line 302: 'yesterday' is not a time"),
    "a second of the year 51,000": (
        cell(300, 0, "1651358400000000"),
        "line 302: '1651358400000000' is not a time",
    ),
    "a year that is far": (cell(300, 0, "999999999999999"), "line 302: '999999999999999' is not a time"),
    "no stamp": (cell(300, 0, ""), "line 302: '' is not a time"),
    "a cell too many": (cell(300, 1, "1,2"), "line 302: 6 cells, the header has 5"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_is_refused_with_its_row_its_value_and_a_remedy(tmp_path: Path, kind: str) -> None:
    damaged, message = REFUSED[kind]
    folder = folder_of(tmp_path, damaged())
    for read in (load, lambda folder: history.load(START + timedelta(days=140), folder)):
        with pytest.raises(BadInput) as refusal:
            read(folder)
        assert refusal.value.message.startswith("hourly_close.csv")
        assert message in refusal.value.message
        assert refusal.value.remedy


def shuffled() -> Rows:
    rows = copied()
    rows[100], rows[200] = rows[200], rows[100]
    return rows


def in_unix_seconds(scale: int = 1) -> Rows:
    begin = int(START.timestamp())
    return [[str((begin + 3_600 * hour) * scale), *row[1:]] for hour, row in enumerate(copied(), start=1)]


REPAIRED = {
    "rows out of order": (shuffled, "2 rows were out of order and were sorted"),
    "repeated rows": (
        lambda: [row for row in copied() for _ in range(1 + (row in GOOD[:5]))],
        "5 rows were repeated, with the same values",
    ),
    "no zone": (
        lambda: [[row[0].removesuffix("Z"), *row[1:]] for row in copied()],
        f"{HOURS:,} rows name no time zone and were read as UTC",
    ),
    "UTC as an offset": (lambda: [[row[0].replace("Z", "+00:00"), *row[1:]] for row in copied()], ""),
    "Unix seconds": (in_unix_seconds, ""),
    "Unix milliseconds": (lambda: in_unix_seconds(1_000), ""),
}


@pytest.mark.parametrize("kind", REPAIRED)
def test_what_can_be_put_right_is_counted_and_changes_no_price(tmp_path: Path, kind: str) -> None:
    expected = load(folder_of(tmp_path, GOOD))
    damaged, note = REPAIRED[kind]
    path = load(folder_of(tmp_path, damaged()))
    np.testing.assert_array_equal(path.times, expected.times)
    np.testing.assert_array_equal(path.closes, expected.closes)
    repairs = [line for line in path.notes if line.startswith("hourly_close.csv: ")]
    assert repairs == ([f"hourly_close.csv: {note}"] if note else [])


def test_another_zone_is_converted(tmp_path: Path) -> None:
    expected = load(folder_of(tmp_path, GOOD))
    rows = copied()
    for hour, row in enumerate(rows, start=1):
        row[0] = f"{START + timedelta(hours=hour + 2):%Y-%m-%dT%H:%M:%S}+02:00"
    np.testing.assert_array_equal(load(folder_of(tmp_path, rows)).times, expected.times)


def test_an_empty_cell_is_a_hole(tmp_path: Path) -> None:
    path = load(folder_of(tmp_path, cell(300, 1, "")()))
    assert path.closes[300, 0] == path.closes[299, 0]
    assert "1 carried over holes" in path.notes[0]


def test_a_price_that_jumps_for_good_is_kept_and_told(tmp_path: Path) -> None:
    path = load(folder_of(tmp_path, spike(10.0, rows=HOURS - 500)()))
    assert path.closes[500, 0] > 5 * path.closes[499, 0]
    assert any("line 502: btc moves from" in note and "it was kept" in note for note in path.notes)


def test_assets_that_the_strategy_does_not_hold_are_told(tmp_path: Path) -> None:
    rows = [[*row, "1800"] for row in copied()]
    path = load(folder_of(tmp_path, rows, f"{HEADER},PAXG"))
    assert "hourly_close.csv also has UNI, PAXG, which the strategy does not hold" in path.notes


def test_an_own_asset_has_the_column_of_its_name(tmp_path: Path) -> None:
    rows = [[*row, "1800"] for row in copied()]
    folder = folder_of(tmp_path, rows, f"{HEADER},PAXG")
    path = recorded_path(folder, ("WBTC", "PAXG"), None, None, GAP)
    assert set(path.closes[:, 1].tolist()) == {1_800.0}
    with pytest.raises(BadInput, match="no price of XAUT") as refusal:
        recorded_path(folder, ("XAUT",), None, None, GAP)
    assert "PAXG" in refusal.value.remedy


def an_export(symbols: tuple[str, ...]) -> list[ExportedClose]:
    begin = int(START.timestamp())
    return [
        ExportedClose(symbol, begin + 3_600 * hour, float(row[place + 1]), "rounds")
        for place, symbol in enumerate(symbols)
        for hour, row in enumerate(GOOD, start=1)
    ]


@pytest.mark.parametrize("ending", ["csv", pytest.param("parquet", marks=WITH_PARQUET)])
def test_what_was_exported_is_read_back(tmp_path: Path, ending: str) -> None:
    expected = load(folder_of(tmp_path, GOOD))
    (tmp_path / "hourly_close.csv").unlink()
    write(tmp_path / f"hourly_close.{ending}", an_export(("WBTC", "WETH", "LINK")))
    path = load(tmp_path)
    np.testing.assert_array_equal(path.closes, expected.closes)
    assert path.at_closes == ("WBTC", "WETH", "LINK")


@WITH_PARQUET
def test_a_parquet_file_has_the_same_shape_and_its_rows_are_named(tmp_path: Path) -> None:
    import pandas as pd

    expected = load(folder_of(tmp_path, GOOD))
    frame = pd.read_csv(tmp_path / "hourly_close.csv")
    frame["ts_close_utc"] = pd.to_datetime(frame["ts_close_utc"])
    (tmp_path / "hourly_close.csv").unlink()
    frame.to_parquet(tmp_path / "hourly_close.parquet")
    np.testing.assert_array_equal(load(tmp_path).closes, expected.closes)
    frame.loc[299, "BTC"] = -1.0
    frame.to_parquet(tmp_path / "hourly_close.parquet")
    with pytest.raises(BadInput, match=r"hourly_close.parquet, row 300: btc '-1.0' is not a positive price"):
        load(tmp_path)


def test_lows_of_a_long_file_count(tmp_path: Path) -> None:
    rows = [
        [row[0], symbol, row[place], f"{0.9 * float(row[place]):.4f}"]
        for row in GOOD
        for place, symbol in ((1, "WBTC"), (2, "ETH"))
    ]
    folder = folder_of(tmp_path, rows, "closed_at,symbol,close,low")
    path = recorded_path(folder, ("WBTC",), None, None, GAP)
    assert path.lows[:, 0] == pytest.approx(0.9 * path.closes[:, 0], rel=1e-6)
    assert path.at_closes == ()


def test_history_before_the_first_day_warms_up_and_is_not_decided_on(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, GOOD)
    since = START + timedelta(days=100)
    path = recorded_path(folder, ("WBTC",), since, None, GAP, warm_up_s=30 * 86_400)
    assert path.decide_after == int(since.timestamp())
    assert path.times[0] == path.decide_after - 30 * 86_400 + 3_600
    early = recorded_path(folder, ("WBTC",), since, None, GAP, warm_up_s=900 * 86_400)
    assert early.times[0] == int(START.timestamp()) + 3_600


def test_a_folder_with_nothing_names_what_it_needs(tmp_path: Path) -> None:
    assert price_file(tmp_path) is None
    with pytest.raises(BadInput, match=r"there is no hourly_close\.csv") as refusal:
        load(tmp_path)
    assert "docs/data.md" in refusal.value.remedy


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "eth_gas_price_daily.csv",
            "date_utc,avg_gas_price_gwei\n2021-12-31,-5\n",
            "line 2: avg_gas_price_gwei '-5'",
        ),
        ("eth_gas_price_daily.csv", "date_utc,gas\n2021-12-31,5\n", "its columns are date_utc, gas"),
        ("dvol_hourly.csv", "ts_open_utc,btc_close\n2022-01-01T00:30:00Z,80\n", "not on the grid of 3600 s"),
        ("dvol_daily.csv", "date_utc,btc_close\n2022-01-01,inf\n", "line 2: btc_close 'inf'"),
        ("hourly_ohlc_BTC.csv", "ts_close_utc,low\n2022-01-01T01:00:00Z,-1\n", "line 2: low '-1'"),
        (
            "hourly_ohlc_BTC.csv",
            "ts_close_utc,high\n2022-01-01T01:00:00Z,1\n",
            "its columns are ts_close_utc, high",
        ),
        (
            "univ3_usdc_usdt_1bp_hourly.csv",
            "ts_utc,usdc_in_usdt\n2022-01-01T01:00:00Z,0\n",
            "usdc_in_usdt '0'",
        ),
    ],
)
def test_the_other_files_are_judged_too(tmp_path: Path, file: str, content: str, message: str) -> None:
    folder = folder_of(tmp_path, GOOD)
    (folder / file).write_text(content)
    with pytest.raises(BadInput) as refusal:
        load(folder)
    assert refusal.value.message.startswith(file)
    assert message in refusal.value.message

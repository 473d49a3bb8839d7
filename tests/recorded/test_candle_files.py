from __future__ import annotations

import math
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from keeper.domain.errors import BadInput
from keeper.journal.exported_closes import ExportedClose, write
from keeper.recorded.candle_files import FileBars, read

HOUR = 3_600
NOON = 1_686_830_400  # 2023-06-15 12:00 UTC
NOW = NOON + 100 * HOUR
WITH_PARQUET = pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def bars_of(path: Path, text: str, **options: object) -> FileBars:
    path.write_text(text, encoding="utf-8")
    return read(path, **{"seconds": HOUR, "now": NOW, **options})  # type: ignore[arg-type]


def times_of(found: FileBars, symbol: str = "") -> list[int]:
    return [candle.closed_at - NOON for candle in found.candles[symbol]]


def refused(path: Path, text: str, **options: object) -> str:
    with pytest.raises(BadInput) as caught:
        bars_of(path, text, **options)
    assert caught.value.remedy
    return caught.value.message


def test_prices_are_read_as_they_are_written(path: Path) -> None:
    found = bars_of(
        path,
        "closed_at,open,high,low,close,volume\n2023-06-15T12:00:00Z,1.1,3,0.7,2.3,9\n"
        "2023-06-15T13:00:00Z,1.1,3,0.7,2.1,9\n",
    )
    first, second = found.candles[""]
    assert (first.open, first.high, first.low, first.close, second.close) == (1.1, 3.0, 0.7, 2.3, 2.1)
    assert (first.closed_at, first.seconds) == (NOON, HOUR)
    assert found.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "2023-06-15T12:00:00Z",
        "2023-06-15T14:00:00+02:00",
        "2023-06-15 07:00:00-05:00",
        "2023-06-15T17:30:00+05:30",
        str(NOON),
        f"{NOON}.0",
        f"{NOON}000",
    ],
)
def test_one_moment_in_all_its_spellings(path: Path, text: str) -> None:
    found = bars_of(path, f"time,close\n{text},5\n", stamped="close")
    assert times_of(found) == [0]
    assert found.notes == ()


@pytest.mark.parametrize("text", ["2023-06-15T12:00:00", "2023-06-15 12:00", "2023-06-15T12"])
def test_a_time_without_a_zone_is_utc_and_counted(path: Path, text: str) -> None:
    found = bars_of(path, f"closed_at,close\n{text},5\n")
    assert times_of(found) == [0]
    assert found.notes == ("prices.csv: 1 rows name no time zone and were read as UTC",)


def test_an_hour_that_a_clock_shows_twice_is_two_hours(path: Path) -> None:
    text = "closed_at,close\n2022-10-30T02:00:00+02:00,5\n2022-10-30T02:00:00+01:00,6\n"
    first, second = bars_of(path, text).candles[""]
    assert second.closed_at - first.closed_at == HOUR


def test_a_bar_stamped_with_its_opening_closes_one_length_later(path: Path) -> None:
    assert times_of(bars_of(path, f"open_time,close\n{NOON}000,5\n")) == [HOUR]
    assert times_of(bars_of(path, f"time,close\n{NOON},5\n", stamped="open")) == [HOUR]
    assert times_of(bars_of(path, f"time,close\n{NOON},5\n", stamped="close")) == [0]


def test_the_end_of_the_bar_has_to_be_said_where_the_column_does_not(path: Path) -> None:
    assert "opened, or when it closed" in refused(path, f"time,close\n{NOON},5\n")
    assert "is the close of a bar" in refused(path, f"ts_close_utc,close\n{NOON},5\n", stamped="open")
    assert "is the open of a bar" in refused(path, f"open_time,close\n{NOON},5\n", stamped="close")


def test_what_a_source_does_not_say_is_not_invented(path: Path) -> None:
    (candle,) = bars_of(path, f"closed_at,close,high\n{NOON},5,\n").candles[""]
    assert all(math.isnan(price) for price in (candle.open, candle.high, candle.low))


def test_rows_out_of_order_are_sorted(path: Path) -> None:
    rows = "".join(f"{NOON + hour * HOUR},{hour + 1}\n" for hour in (2, 0, 3, 1))
    found = bars_of(path, f"closed_at,close\n{rows}")
    assert [candle.close for candle in found.candles[""]] == [1, 2, 3, 4]
    assert found.notes == ("prices.csv: 2 rows were out of order and were sorted",)


def test_repeated_rows_are_dropped_and_counted(path: Path) -> None:
    found = bars_of(path, f"closed_at,close\n{NOON},5\n{NOON + HOUR},6\n{NOON},5.0\n{NOON}000,5\n")
    assert times_of(found) == [0, HOUR]
    assert "prices.csv: 2 rows were repeated, with the same values" in found.notes


def test_contradicting_rows_refuse_the_file_and_are_named(path: Path) -> None:
    message = refused(path, f"closed_at,close\n{NOON},5\n{NOON + HOUR},6\n\n{NOON},5.1\n")
    assert "line 2 and line 5" in message
    assert "///5 and ///5.1" in message
    assert "2023-06-15T12:00:00Z" in message


def test_a_bar_that_has_not_closed_yet_is_left_out_and_counted(path: Path) -> None:
    text = f"open_time,close\n{NOON},5\n{NOON + HOUR},6\n"
    found = bars_of(path, text, now=NOON + 2 * HOUR - 1)
    assert times_of(found) == [HOUR]
    assert found.notes == ("prices.csv: 1 bars had not closed yet and were left out",)
    assert times_of(bars_of(path, text, now=NOON + 2 * HOUR)) == [HOUR, 2 * HOUR]


def test_gaps_are_gaps(path: Path) -> None:
    rows = "".join(f"{NOON + hour * HOUR},5\n" for hour in (0, 1, 7))
    assert times_of(bars_of(path, f"closed_at,close\n{rows}")) == [0, HOUR, 7 * HOUR]


@pytest.mark.parametrize("price", ["0", "-1", "nan", "inf", "-inf", "", "12,5", "abc", "1e999"])
def test_what_is_no_positive_price_refuses_the_file_with_its_line(path: Path, price: str) -> None:
    message = refused(path, f'closed_at,close\n{NOON},5\n{NOON + HOUR},"{price}"\n')
    assert "line 3" in message


def test_a_high_that_is_no_price_is_refused_too(path: Path) -> None:
    assert "line 2: high '-3'" in refused(path, f"closed_at,close,high\n{NOON},5,-3\n")


@pytest.mark.parametrize(
    ("stamp", "why"),
    [
        (f"{NOON + 1}", "not on the grid"),
        ("2023-06-15T12:30:00Z", "not on the grid"),
        ("2023-06-15T17:30:00+05:00", "not on the grid"),
        (f"{NOON}500", "between two seconds"),
        ("2023-06-15T12:00:00.25Z", "between two seconds"),
        ("20230615", "not a time"),
        ("7200", "not a time"),
        ("yesterday", "not a time"),
        ("", "not a time"),
        ("-1686830400", "not a time"),
    ],
)
def test_a_time_that_is_no_end_of_a_bar_is_refused_with_its_line(path: Path, stamp: str, why: str) -> None:
    message = refused(path, f"closed_at,close\n{NOON},5\n{stamp},5\n")
    assert "line 3" in message
    assert why in message


def test_daily_rows_are_not_taken_for_hourly_ones(path: Path) -> None:
    text = "time,close\n2023-06-14,5\n2023-06-15,6\n"
    assert "86400 s apart, not 3600" in refused(path, text, stamped="open")
    assert times_of(bars_of(path, text, stamped="open", seconds=86_400)) == [-12 * HOUR, 12 * HOUR]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "when,close\n",
        "closed_at,price\n",
        "closed_at,close,Close\n",
        f"closed_at,close\n{NOON},5,6\n",
        f"closed_at,close\n{NOON}\n",
        f'closed_at,close\n{NOON},"5\n',
    ],
)
def test_a_file_of_another_shape_is_refused(path: Path, text: str) -> None:
    assert path.name in refused(path, text)


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    path.write_bytes(b"closed_at,close\n\xff\xfe,5\n")
    with pytest.raises(BadInput, match="UTF-8"):
        read(path, HOUR, NOW)


@pytest.mark.parametrize("name", ["missing.csv", "prices.txt"])
def test_no_such_file_and_no_such_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=name):
        read(tmp_path / name, HOUR, NOW)


def test_a_file_of_spreadsheets_with_a_byte_order_mark_is_read(path: Path) -> None:
    assert times_of(bars_of(path, f"\ufeffclosed_at, Close \r\n{NOON}, 5 \r\n")) == [0]


def test_a_file_of_several_assets_is_read_by_symbol(path: Path) -> None:
    found = bars_of(path, f"symbol,closed_at,close\nUNI,{NOON},5\nLINK,{NOON},6\nUNI,{NOON + HOUR},7\n")
    assert (times_of(found, "UNI"), times_of(found, "LINK")) == ([0, HOUR], [0])


ROWS = [
    ExportedClose("UNI", NOON + n * HOUR, close, "rounds") for n, close in enumerate((5e-9, 1e-8, 2e-8 / 3))
]


def test_what_was_written_is_read_back_to_the_bit(path: Path) -> None:
    write(path, ROWS)
    assert path.read_text().splitlines()[:2] == [
        "symbol,closed_at,close,source",
        "UNI,2023-06-15T12:00:00Z,5e-09,rounds",
    ]
    found = read(path, HOUR, NOW)
    assert [one.close for one in found.candles["UNI"]] == [row.close for row in ROWS]


def test_where_nothing_can_be_written_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere"):
        write(tmp_path / "nowhere" / "prices.csv", ROWS)


def test_parquet_without_pyarrow_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.runtime.table_files.find_spec", lambda _: None)
    with pytest.raises(BadInput, match="pyarrow") as caught:
        write(tmp_path / "prices.parquet", ROWS)
    assert "pip install -e '.[research]'" in caught.value.remedy
    (tmp_path / "prices.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match="pyarrow"):
        read(tmp_path / "prices.parquet", HOUR, NOW)


@WITH_PARQUET
def test_parquet_is_written_and_read_back_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    write(path, ROWS)
    assert [one.close for one in read(path, HOUR, NOW).candles["UNI"]] == [row.close for row in ROWS]


@WITH_PARQUET
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_a_parquet_column_of_times_is_read_in_its_zone(tmp_path: Path, zone: str | None) -> None:
    import pandas as pd

    path = tmp_path / "prices.parquet"
    moments = pd.to_datetime([NOON, NOON + HOUR], unit="s", utc=True).tz_convert(zone)
    pd.DataFrame({"close": [5.0, 6.0], "open": [None, 4.0]}, index=moments.rename("closed_at")).to_parquet(
        path
    )
    found = read(path, HOUR, NOW)
    assert times_of(found) == [0, HOUR]
    assert bool(found.notes) == (zone is None)


@WITH_PARQUET
def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prices.parquet").write_bytes(b"closed_at,close\n")
    with pytest.raises(BadInput, match="not a Parquet file"):
        read(tmp_path / "prices.parquet", HOUR, NOW)


def test_csv_loads_nothing_heavy() -> None:
    import subprocess

    program = "import keeper.recorded.candle_files, sys; print([n for n in ('pandas', 'numpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

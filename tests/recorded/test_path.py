"""A recorded path knows at each bar what was known then: on small files, and on the real ones where they are."""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from keeper.domain.errors import BadInput
from keeper.domain.market import Round
from keeper.domain.path import MarketPath
from keeper.recorded.path import recorded_path
from keeper.risk.bars import sampled_bars

HOUR = 3_600
START = datetime(2020, 6, 9, tzinfo=UTC)
GAP = 12 * HOUR
REAL = Path(os.environ.get("KEEPER_DATA_DIR", "../shared/data"))
real = pytest.mark.skipif(
    not (REAL / "hourly_close.csv").is_file(), reason="no recorded history in KEEPER_DATA_DIR"
)


def stamp(hours: int) -> str:
    return f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def write(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """96 hours; BTC is 1000 + the hour, without hours 10 to 14 and 40 to 59; LINK begins at hour 6."""
    hours = [hour for hour in range(1, 97) if hour not in range(10, 15) and hour not in range(40, 60)]
    closes = [f"{stamp(hour)},{1000 + hour},200,{'' if hour < 6 else 2.5},,,,,spot" for hour in hours]
    write(tmp_path / "hourly_close.csv", "ts_close_utc,BTC,ETH,LINK,SOL,AAVE,UNI,LDO,source", closes)
    lows = [f"{stamp(hour)},2.5,2.6,{0.0001 if hour == 20 else 2.4},2.5,spot" for hour in hours if hour >= 6]
    write(tmp_path / "hourly_ohlc_LINK.csv", "ts_close_utc,open,high,low,close,source", lows)
    gas = ["2020-06-08,40,1", "2020-06-09,30,1", "2020-06-10,581,1", "2020-06-11,709,1", "2020-06-12,20,1"]
    write(tmp_path / "eth_gas_price_daily.csv", "date_utc,avg_gas_price_gwei,gas_used", gas)
    return tmp_path


def load(folder: Path, since: datetime | None = None, until: datetime | None = None) -> MarketPath:
    return recorded_path(folder, ("WBTC", "LINK"), since, until, GAP)


def test_a_short_hole_carries_the_last_close_and_a_long_one_becomes_unknown(folder: Path) -> None:
    bitcoin = load(folder).closes[:, 0]
    assert bitcoin[9:14].tolist() == [1009.0] * 5
    assert bitcoin[39:51].tolist() == [1039.0] * 12
    assert np.isnan(bitcoin[51:59]).all()


def test_an_asset_is_unknown_before_its_first_price(folder: Path) -> None:
    link = load(folder).closes[:, 1]
    assert np.isnan(link[:5]).all()
    assert link[5] == 2.5


def test_closes_are_what_the_live_keeper_samples_from_the_same_prices(folder: Path) -> None:
    path = load(folder)
    assert_sampled(path, folder)


def test_a_range_begins_with_the_bar_that_opens_at_it(folder: Path) -> None:
    path = load(folder, START + timedelta(hours=12), START + timedelta(hours=24))
    assert path.times[0] == int(START.timestamp()) + 13 * HOUR
    assert path.times[-1] == int(START.timestamp()) + 24 * HOUR
    assert path.closes[0, 0] == 1009.0


def test_a_wick_is_no_low_and_an_asset_without_lows_has_its_closes(folder: Path) -> None:
    path = load(folder)
    assert path.lows[19, 1] == 2.5
    assert path.lows[20, 1] == 2.4
    np.testing.assert_array_equal(path.lows[:, 0], path.closes[:, 0])
    assert path.at_closes == ("WBTC",)


def test_a_gas_price_counts_from_the_end_of_its_day_and_distorted_days_take_the_day_before(
    folder: Path,
) -> None:
    gwei = load(folder).gas_price_wei / 10**9
    assert gwei[:23].tolist() == [40.0] * 23
    assert gwei[23:95].tolist() == [30.0] * 72
    assert gwei[95] == 20.0


def test_gas_is_paid_in_a_coin_that_the_strategy_need_not_hold(folder: Path) -> None:
    path = load(folder)
    assert path.symbols == ("WBTC", "LINK")
    assert path.native_usd[9:14].tolist() == [200.0] * 5
    assert np.isnan(path.native_usd[51:59]).all()
    held = recorded_path(folder, ("WETH",), None, None, GAP)
    np.testing.assert_array_equal(held.native_usd, held.closes[:, 0])


def test_a_history_without_that_coin_is_refused_by_its_name(folder: Path) -> None:
    file = folder / "hourly_close.csv"
    file.write_text(file.read_text().replace("ETH", "ATOM"))
    with pytest.raises(BadInput, match="no price of ETH or WETH, in which gas is paid"):
        load(folder)


def test_a_candle_of_implied_volatility_is_known_at_its_end(folder: Path) -> None:
    write(
        folder / "dvol_hourly.csv", "ts_open_utc,btc_close,eth_close", [f"{stamp(3)},80,", f"{stamp(4)},90,"]
    )
    (path,) = load(folder, START, START + timedelta(hours=4)).implied
    assert path.times.tolist() == [int(START.timestamp()) + 4 * HOUR]
    assert path.volatility.tolist() == [0.8]


def test_later_rows_change_nothing(folder: Path) -> None:
    until = START + timedelta(hours=36)
    before = load(folder, None, until)
    lines = (folder / "hourly_close.csv").read_text().replace(",200,2.5,", ",999,9.9,").splitlines()
    kept = (folder / "hourly_close.csv").read_text().splitlines()[:32]
    (folder / "hourly_close.csv").write_text("\n".join(kept + lines[32:]) + "\n")
    np.testing.assert_array_equal(load(folder, None, until).closes, before.closes)


def test_a_range_that_is_not_recorded_is_refused_and_the_recorded_one_named(folder: Path) -> None:
    with pytest.raises(BadInput) as refusal:
        load(folder, START - timedelta(days=1))
    assert "2020-06-09 00:00 UTC to 2020-06-13 00:00 UTC" in refusal.value.remedy


def test_a_token_that_is_not_recorded_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="DOGE"):
        recorded_path(folder, ("DOGE",), None, None, GAP)


def test_a_folder_without_gas_prices_is_refused(folder: Path) -> None:
    (folder / "eth_gas_price_daily.csv").unlink()
    with pytest.raises(BadInput, match="eth_gas_price_daily"):
        load(folder)


def assert_sampled(path: MarketPath, folder: Path) -> None:
    columns = {"WBTC": "BTC", "LINK": "LINK"}
    rounds: dict[str, list[Round]] = {symbol: [] for symbol in columns}
    with (folder / "hourly_close.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            time = int(datetime.fromisoformat(row["ts_close_utc"]).timestamp())
            for symbol, column in columns.items():
                if row[column]:
                    rounds[symbol].append(Round(0, round(float(row[column]) * 10**8), time))
    history = int(path.times[-1] - path.times[0]) + HOUR
    bars = sampled_bars(
        rounds, path.symbols, int(path.times[-1]), bar_seconds=HOUR, history_s=history, max_gap_s=GAP
    )
    np.testing.assert_array_equal(bars.times, path.times)
    np.testing.assert_array_equal(bars.closes, path.closes)


@pytest.mark.slow
@real
def test_the_recorded_years_are_what_their_checks_say() -> None:
    path = load(REAL)
    assert_sampled(path, REAL)
    at = {int(time): row for row, time in enumerate(path.times)}
    crash = at[int(datetime(2020, 3, 13, tzinfo=UTC).timestamp())]
    assert path.closes[crash, 0] == 4800.0
    assert path.lows[crash + 3, 0] == 3782.13
    assert np.nanmin(path.lows[:, 1]) > 0.1
    assert path.stable.min() == pytest.approx(0.8726, abs=1e-4)
    assert path.gas_price_wei[at[int(datetime(2020, 6, 12, 1, tzinfo=UTC).timestamp())]] == 37_266_100_000
    bitcoin, ether = path.implied
    assert bitcoin.times[0] >= datetime(2021, 3, 24, 1, tzinfo=UTC).timestamp()
    assert max(bitcoin.times[-1], ether.times[-1]) <= path.times[-1]
    assert any(note.startswith("WBTC") and "60 carried over holes" in note for note in path.notes)

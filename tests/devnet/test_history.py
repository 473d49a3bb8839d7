"""What a history may know, on small files in the recorded layout; the real files where KEEPER_DATA_DIR has them."""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from keeper.devnet.history import DEFAULT_AT, MIN_ASSET_DAYS, MIN_MARKET_DAYS, Source, load
from keeper.domain.errors import BadInput

HOUR = 3_600
AT = datetime(2022, 6, 10, tzinfo=UTC)
REAL = Path(os.environ.get("KEEPER_DATA_DIR", "../shared/data"))


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n")


def write_prices(
    directory: Path, *, days: int = 200, uni_days: int = 200, after_hours: int = 48, hole: range = range(0)
) -> None:
    """Hourly closes around AT; BTC's is the number of hours before AT, counted up from 100,000."""
    rows = []
    for hours in range(-days * 24, after_hours + 1):
        if hours in hole:
            continue
        uni = "6.5" if hours > -uni_days * 24 else ""
        moment = stamp(AT + timedelta(hours=hours))
        rows.append(f"{moment},{100_000 + hours},2000,10,,,{uni},,spot")
    write(directory / "hourly_close.csv", "ts_close_utc,BTC,ETH,LINK,SOL,AAVE,UNI,LDO,source", rows)


def test_the_last_bar_is_the_one_that_ends_at_the_date(tmp_path: Path) -> None:
    write_prices(tmp_path)
    bitcoin = load(AT, tmp_path).price("WBTC")
    assert bitcoin.times[-1] == AT.timestamp()
    assert bitcoin.prices[-1] == 100_000


def test_a_bar_that_ends_after_the_date_is_not_known(tmp_path: Path) -> None:
    write_prices(tmp_path)
    bitcoin = load(AT + timedelta(minutes=59), tmp_path).price("WBTC")
    assert bitcoin.prices[-1] == 100_000


def test_later_prices_change_nothing(tmp_path: Path) -> None:
    write_prices(tmp_path, after_hours=0)
    without = load(AT, tmp_path)
    write_prices(tmp_path, after_hours=500)
    with_future = load(AT, tmp_path)
    for one, other in zip(without.prices, with_future.prices, strict=True):
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.prices, other.prices)


def test_the_window_is_half_a_year(tmp_path: Path) -> None:
    write_prices(tmp_path, days=300)
    assert len(load(AT, tmp_path).price("WETH").times) == 180 * 24


def test_hours_that_were_not_recorded_stay_holes(tmp_path: Path) -> None:
    write_prices(tmp_path, hole=range(-100, -90))
    times = load(AT, tmp_path).price("WBTC").times
    assert max(np.diff(times)) == 11 * HOUR
    assert len(times) == 180 * 24 - 10


def test_an_asset_with_too_little_history_is_left_out_and_says_why(tmp_path: Path) -> None:
    write_prices(tmp_path, uni_days=23)
    history = load(AT, tmp_path)
    assert history.symbols == ("WBTC", "WETH", "LINK", "USDC")
    assert ("UNI", "23 days of hourly prices before 2022-06-10 00:00 UTC, 30 needed") in [
        (left.name, left.reason) for left in history.left_out
    ]


def test_an_asset_that_was_never_recorded_is_left_out(tmp_path: Path) -> None:
    write_prices(tmp_path, uni_days=0)
    assert "UNI" not in load(AT, tmp_path).symbols


def test_a_date_without_enough_recorded_market_is_refused_with_the_range(tmp_path: Path) -> None:
    write_prices(tmp_path)
    with pytest.raises(BadInput, match="at: 2021-12-24") as refused:
        load(AT - timedelta(days=168), tmp_path)
    assert "2022-03-" in refused.value.remedy
    with pytest.raises(BadInput, match="at: 2022-06-20"):
        load(AT + timedelta(days=10), tmp_path)


def test_a_date_without_zone_is_utc(tmp_path: Path) -> None:
    write_prices(tmp_path)
    assert load(AT.replace(tzinfo=None), tmp_path).at == AT.timestamp()


def test_the_stable_follows_chainlink_then_the_pool_then_one_dollar(tmp_path: Path) -> None:
    write_prices(tmp_path)
    day = 24 * HOUR
    at = int(AT.timestamp())
    write(
        tmp_path / "chainlink_rounds_usdc_usd.csv",
        "round_id,answer,started_at,updated_at,answered_in_round",
        # Out of order, as at a phase change.
        [f"2,99900000,0,{at - 9 * day},2", f"1,99800000,0,{at - 10 * day},1"],
    )
    write(
        tmp_path / "univ3_usdc_usdt_1bp_hourly.csv",
        "ts_utc,block,tick,liquidity,usdc_in_usdt",
        [f"{stamp(AT - timedelta(hours=1))},1,-1,1,0.9980"],
    )
    stable = load(AT, tmp_path).price("USDC")
    known = dict(zip(stable.times.tolist(), stable.prices.tolist(), strict=True))
    assert known[at - 10 * day - HOUR] == 1.0
    assert known[at - 10 * day] == 0.998
    assert known[at - 9 * day] == 0.999
    assert known[at - 7 * day] == 1.0, "a round older than heartbeat and margin is not a price"
    assert known[at] == 0.998, "the pool's last hour"


def test_an_implied_candle_open_at_the_date_is_not_known(tmp_path: Path) -> None:
    write_prices(tmp_path)
    rows = [f"{stamp(AT + timedelta(hours=hours))},{60 + hours / 10}," for hours in (-2, -1, 0, 1)]
    write(tmp_path / "dvol_hourly.csv", "ts_open_utc,btc_close,eth_close", rows)
    (implied,) = load(AT + timedelta(minutes=30), tmp_path).implied
    assert implied.underlying == "BTC"
    assert implied.times[-1] == AT.timestamp()
    assert implied.volatility[-1] == pytest.approx(0.599)


def test_a_day_without_hourly_volatility_has_its_daily_close(tmp_path: Path) -> None:
    write_prices(tmp_path)
    write(
        tmp_path / "dvol_daily.csv",
        "date_utc,btc_open,btc_high,btc_low,btc_close,eth_open,eth_high,eth_low,eth_close",
        ["2022-06-08,1,1,1,70,1,1,1,80", "2022-06-09,1,1,1,72,1,1,1,82", "2022-06-10,1,1,1,99,1,1,1,99"],
    )
    _, implied = load(AT, tmp_path).implied
    assert implied.underlying == "ETH"
    assert implied.times.tolist() == [AT.timestamp() - 24 * HOUR, AT.timestamp()]
    assert implied.volatility.tolist() == [0.80, 0.82]


def test_without_recorded_volatility_the_history_says_so(tmp_path: Path) -> None:
    write_prices(tmp_path)
    history = load(AT, tmp_path)
    assert history.implied == ()
    assert [left.name for left in history.left_out] == ["implied volatility BTC", "implied volatility ETH"]


def test_without_data_the_market_is_generated_to_the_same_bits_every_time() -> None:
    one, other = load(None, None), load(None, None)
    assert one.source is Source.GENERATED
    assert one.at == DEFAULT_AT.timestamp()
    assert one.symbols == ("WBTC", "WETH", "LINK", "UNI", "USDC")
    for left, right in zip(one.prices, other.prices, strict=True):
        assert left.times[-1] == one.at
        assert left.prices.tobytes() == right.prices.tobytes()


def test_a_directory_without_prices_means_generated(tmp_path: Path) -> None:
    assert load(AT, tmp_path).source is Source.GENERATED


real = pytest.mark.skipif(
    not (REAL / "hourly_close.csv").is_file(), reason="no recorded history in KEEPER_DATA_DIR"
)


@pytest.mark.slow
@real
@pytest.mark.parametrize(
    ("date", "symbols", "underlyings"),
    [
        ("2020-03-10", ("WBTC", "WETH", "LINK", "USDC"), ()),
        ("2021-05-18", ("WBTC", "WETH", "LINK", "UNI", "USDC"), ("BTC", "ETH")),
        ("2022-06-10", ("WBTC", "WETH", "LINK", "UNI", "USDC"), ("BTC", "ETH")),
        ("2022-11-08", ("WBTC", "WETH", "LINK", "UNI", "USDC"), ("BTC", "ETH")),
        ("2023-03-10", ("WBTC", "WETH", "LINK", "UNI", "USDC"), ("BTC", "ETH")),
    ],
)
def test_the_dates_of_the_demo_have_their_assets(
    date: str, symbols: tuple[str, ...], underlyings: tuple[str, ...]
) -> None:
    history = load(datetime.fromisoformat(date), REAL)
    assert history.source is Source.RECORDED
    assert symbols == history.symbols
    assert underlyings == tuple(series.underlying for series in history.implied)
    for series in history.prices:
        assert series.times[-1] == history.at
        least = MIN_ASSET_DAYS if series.symbol not in ("WBTC", "WETH") else MIN_MARKET_DAYS
        assert series.times[0] < history.at - least * 24 * HOUR
        assert (np.diff(series.times) > 0).all()
        assert (series.prices > 0).all()


@pytest.mark.slow
@real
def test_recorded_prices_are_the_files_own_rows() -> None:
    history = load(AT, REAL)
    with (REAL / "hourly_close.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["ts_close_utc"] == stamp(AT))
    assert float(row["BTC"]) == history.last_price("WBTC")
    assert float(row["UNI"]) == history.last_price("UNI")

"""Windows of recorded history: which folder, which hours, whose rounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from keeper.devnet.scenario.windows import WINDOWS, recorded_path
from keeper.domain.errors import BadInput

HOUR = timedelta(hours=1)
FIRST = datetime(2022, 1, 1, tzinfo=UTC)
HOURS = 130 * 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of 130 days: bitcoin rises by a dollar an hour, ether by ten cents, LINK is a month younger than it may
    be. One hour is missing. Every round of ether's feed is there, a unit above the closes."""
    made = tmp_path_factory.mktemp("history")
    lines, rounds = ["ts_close_utc,BTC,ETH,LINK,UNI"], ["round_id,answer,updated_at"]
    for hour in range(1, HOURS + 1):
        at = FIRST + hour * HOUR
        link = "7.5" if hour > HOURS - 20 * 24 else ""
        if hour != HOURS - 5:
            lines.append(f"{at:%Y-%m-%dT%H:%M:%SZ},{40_000 + hour},{2_000 + hour / 10},{link},")
        rounds.append(f"{hour},{round((2_000 + hour / 10) * 1e8) + 1},{int(at.timestamp()) - 30}")
    (made / "hourly_close.csv").write_text("\n".join(lines) + "\n")
    (made / "chainlink_rounds_eth_usd.csv").write_text("\n".join(rounds) + "\n")
    gas = [f"{FIRST + timedelta(days=day):%Y-%m-%d},{day + 10}" for day in range(131)]
    (made / "eth_gas_price_daily.csv").write_text("\n".join(["date_utc,avg_gas_price_gwei", *gas]) + "\n")
    return made


LAST = FIRST + timedelta(days=130)


def test_a_window_begins_and_ends_with_its_hours_and_names_what_is_left_out(folder: Path) -> None:
    path = recorded_path("window", folder, LAST - timedelta(days=2), until=LAST)
    assert path.symbols == ("WBTC", "WETH", "USDC")
    assert {left.name for left in path.start.left_out} >= {"LINK", "UNI", "implied volatility BTC"}
    assert path.times.size == 49
    assert path.closes[0].tolist() == pytest.approx([40_000 + HOURS - 48, 2_000 + (HOURS - 48) / 10, 1.0])
    assert path.closes[-1, 0] == pytest.approx(40_000 + HOURS)


def test_in_an_hour_without_a_close_the_price_stands_still(folder: Path) -> None:
    path = recorded_path("window", folder, LAST - timedelta(days=2), until=LAST)
    assert path.closes[-6, 0] == path.closes[-7, 0]
    assert any(note.startswith("2 hours without a recorded close") for note in path.notes)


def test_nothing_of_the_window_is_known_at_its_beginning(folder: Path) -> None:
    path = recorded_path("window", folder, LAST - timedelta(days=2), until=LAST)
    assert path.start.price("WETH").times[-1] == path.begins
    assert path.served().price("WETH").times[-1] == path.ends


def test_real_rounds_count_where_they_cover_the_window(folder: Path) -> None:
    path = recorded_path("window", folder, LAST - timedelta(days=2), until=LAST)
    assert set(path.recorded_rounds) == {"WETH"}
    rounds = path.recorded_rounds["WETH"]
    assert rounds.times.size == 48
    assert np.all((rounds.times > path.begins) & (rounds.times <= path.ends))


def test_the_base_fee_is_the_days_own_average(folder: Path) -> None:
    path = recorded_path("window", folder, LAST - timedelta(days=2), until=LAST)
    assert (path.base_fee_wei[[0, 23, 24, 47]] // 10**9).tolist() == [138, 138, 139, 139]


def test_a_folder_without_history_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no recorded history") as refused:
        recorded_path("window", tmp_path, FIRST, until=LAST)
    assert "--data-dir" in refused.value.remedy


def test_a_window_without_an_hour_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="has no hour"):
        recorded_path("window", folder, LAST, until=LAST)


def test_a_window_beyond_the_record_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match="no price is recorded on the window's last day"):
        recorded_path("window", folder, LAST - timedelta(days=2), until=LAST + timedelta(days=3))


def test_names_are_unique_and_windows_have_days() -> None:
    assert len({window.name for window in WINDOWS}) == len(WINDOWS)
    assert all(window.first < window.until for window in WINDOWS)

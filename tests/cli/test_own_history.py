"""``keeper backtest`` on a folder, assets and a venue of one's own: whatever is wrong is a named error."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.cli.main import main
from keeper.cli.options import MAX_NAV_USD
from keeper.cli.venue import recorded_venue
from keeper.cli.venue_file import own_venue
from keeper.domain.errors import InvalidSetting
from tests.recorded.folders import GOOD, HEADER, folder_of

VENUE = """
[[reserves]]
symbol = "PAXG"
ltv_bps = 6000
liquidation_threshold_bps = 7000
[[pools]]
symbols = ["PAXG", "USDC"]
fee = 3000
virtual_usd = 5e6
"""
STRATEGY = """
[[assets]]
symbol = "WETH"
budget = 0.5
implied_underlying = "ETH"
[[assets]]
symbol = "PAXG"
budget = 0.5
"""
FROM = ("--from", "2022-05-20")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gold.toml").write_text(STRATEGY)
    (tmp_path / "venue.toml").write_text(VENUE)
    data = tmp_path / "data"
    data.mkdir()
    rows = [[*row, f"{1_800 + hour % 7}"] for hour, row in enumerate(GOOD)]
    return folder_of(data, rows, f"{HEADER},PAXG")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["backtest", "--no-benchmarks", "--out", "found", "--data", "data", *arguments])
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_an_own_asset_on_an_own_venue_is_traded_from_the_first_day_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--strategy", "gold.toml", "--venue", "venue.toml", *FROM) == 0
    printed = capsys.readouterr()
    assert "PAXG: PAXG in hourly_close.csv" in printed.err
    decisions = (tmp_path / "found" / "decisions.csv").read_text().splitlines()
    assert decisions[1].startswith("2022-05-20T01:00:00Z")
    assert "weight_after_PAXG" in decisions[0]


def test_an_own_asset_without_a_venue_names_the_option(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--strategy", "gold.toml", *FROM) == 2
    assert "--venue" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("nav", ["inf", "-inf", "nan", "0", "-5", "1e300", "999"])
def test_what_is_no_value_of_a_vault_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], nav: str
) -> None:
    assert run("--nav", nav) == 2
    assert "--nav" in capsys.readouterr().err


@pytest.mark.slow
def test_the_largest_vault_is_no_traceback(folder: Path) -> None:
    assert run("--strategy", "gold.toml", "--venue", "venue.toml", *FROM, "--nav", f"{MAX_NAV_USD:g}") == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--from", "2023-01-01"), "from, to"),
        (("--from", "2022-05-20", "--to", "2022-05-10"), "from, to"),
        (("--from", "2022-01-01", "--to", "2022-01-05"), "returns to estimate from"),
    ],
)
def test_a_range_without_decisions_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], named: str
) -> None:
    assert run("--strategy", "gold.toml", "--venue", "venue.toml", *arguments) == 2
    assert named in " ".join(capsys.readouterr().err.split())


def test_a_damaged_row_reaches_the_screen_with_its_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "hourly_close.csv").read_text().splitlines()
    text[40] = text[40].replace(",", ",-", 1)
    (folder / "hourly_close.csv").write_text("\n".join(text))
    assert run() == 2
    shown = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "hourly_close.csv, line 41: btc '-" in shown
    assert "an empty cell is a hole" in shown


@pytest.mark.slow
def test_yardsticks_run_to_the_target_of_the_command_and_are_compared(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ether.toml").write_text('[[assets]]\nsymbol = "WETH"\nbudget = 1.0\n')
    strategy = ("--strategy", "gold.toml", "--venue", "venue.toml", "--from", "2022-05-28")
    assert run(*strategy, "--target", "0.2", "--alone", "--against", "ether.toml") == 0
    printed = capsys.readouterr()
    names = ("risk parity", "equal weight", "WETH alone", "PAXG alone", "ether")
    assert all(f"{name} " in printed.out for name in names)
    assert "(20 %)" in printed.out


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[[reserves]]\nsymbol = 'PAXG'\n", "reserves.0.ltv_bps"),
        (VENUE.replace("6000", "60_000"), "reserves.0.ltv_bps"),
        (VENUE.replace("5e6", "-1"), "pools.0.virtual_usd"),
        (VENUE.replace("5e6", "inf"), "pools.0.virtual_usd"),
        (VENUE.replace("fee", "fees"), "pools.0.fees"),
        (VENUE.replace('"USDC"', '"USDC", "WETH"'), "pools.0.symbols"),
        ("[[reserves", "not TOML"),
        ('[[derived]]\nsymbol = "sDAI"\nyearly_yield = 5\n', "derived.0.yearly_yield"),
        ('[[derived]]\nsymbol = "sDAI"\nyearly_yield = { file = "../x.csv", column = "a" }\n', "derived.0"),
    ],
)
def test_a_venue_file_that_is_wrong_names_the_field(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(content)
    with pytest.raises(InvalidSetting) as refusal:
        own_venue(file)
    assert named in refusal.value.message


def test_an_own_reserve_replaces_a_recorded_one(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(VENUE.replace("PAXG", "LINK").replace("fee = 3000", "fee = 100"))
    venue = recorded_venue(own=own_venue(file))
    assert [terms.symbol for terms in venue.lending] == ["USDC", "WBTC", "WETH", "LINK", "UNI"]
    assert venue.terms("LINK").ltv_bps == 6_000
    assert venue.fee_tiers == (100, 500, 3_000)

"""``keeper backtest`` and its summary on the terminal, on a made-up market."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from keeper.backtest import runs
from keeper.backtest.runs import Competitor, yardstick_runs
from keeper.backtest.statistics import summarise
from keeper.cli import market, venue
from keeper.cli.backtest import competitor_names
from keeper.cli.backtest_screen import screen
from keeper.cli.main import main
from keeper.domain.errors import BadInput
from keeper.domain.path import RECORDED
from tests.backtest.paths import FIRST, a_backtest_policy, a_path, a_venue
from tests.report.results import some_results


@pytest.mark.slow
def test_the_summary_fits_a_hundred_columns_and_names_what_drove_it() -> None:
    console = Console(width=100, record=True, file=StringIO())
    console.print(screen(some_results(), [summarise(result) for result in some_results()]))
    text = console.export_text()
    for word in (
        "risk parity",
        "equal weight",
        "60/40",
        "target_volatility",
        "risk_share",
        "liquidations",
    ):
        assert word in text
    assert "…" not in text


@pytest.mark.slow
def test_the_summary_compares_in_pairs_and_names_what_is_checked_at_closes() -> None:
    first, *others = some_results()
    results = [replace(first, at_closes=("UNI",)), *others]
    console = Console(width=100, record=True, file=StringIO())
    console.print(screen(results, [summarise(result) for result in results]))
    text = console.export_text()
    assert "Sharpe ratio of risk parity minus that of" in text
    assert "too few days" in text
    assert "UNI checked at closes" in text


def test_the_command_writes_page_tables_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = replace(a_path(bars=FIRST + 48), source=RECORDED)
    monkeypatch.setattr(market, "market_path", lambda *_, **__: recorded)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["backtest", "--no-benchmarks", "--out", "found", "--picture", "picture.svg"])
    assert ended.value.code == 0
    assert {file.name for file in (tmp_path / "found").iterdir()} == {
        "index.html",
        "decisions.csv",
        "bars.csv.gz",
        "summary.csv",
    }
    assert (tmp_path / "picture.svg").is_file()
    assert "found/index.html" in capsys.readouterr().out


def test_a_generated_market_never_replaces_a_picture_of_recorded_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(market, "market_path", lambda *_, **__: a_path(bars=FIRST + 24))
    monkeypatch.chdir(tmp_path)
    Path("picture.svg").write_text("of recorded prices", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["backtest", "--no-benchmarks", "--out", "found", "--picture", "picture.svg"])
    assert ended.value.code == 0
    assert Path("picture.svg").read_text(encoding="utf-8") == "of recorded prices"
    assert "picture.svg is not drawn: the market is made up for a test." in " ".join(
        capsys.readouterr().out.split()
    )


def test_other_strategies_of_the_same_file_name_are_told_apart() -> None:
    files = [Path("a/mine.toml"), Path("b/mine.toml"), Path("c/other.toml")]
    assert competitor_names(files) == ("a/mine.toml", "b/mine.toml", "other")
    with pytest.raises(BadInput, match=r"a/mine\.toml twice"):
        competitor_names([files[0], files[0]])


def test_no_strategy_takes_the_place_of_another() -> None:
    path, policy = a_path(bars=FIRST + 24), a_backtest_policy()
    others = [Competitor(name, path, policy) for name in ("mine", "equal weight")]
    with pytest.raises(BadInput, match="called equal weight"):
        list(yardstick_runs(path, policy, a_venue(), lambda _: None, others=others, alone=True))


@pytest.mark.slow
def test_sensitivities_are_a_table_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(market, "market_path", lambda *_, **__: a_path(bars=FIRST + 24))
    monkeypatch.setattr(runs, "_in_parallel", lambda jobs, _: (job() for job in jobs.values()))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["backtest", "--no-benchmarks", "--sensitivity", "--out", "found"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for name in (
        "borrowing costs 7 points more",
        "WBTC and WETH alone",
        "pool fees doubled",
        "2,500,000 USD",
    ):
        assert name in printed
    rows = (tmp_path / "found" / "sensitivity.csv").read_text().splitlines()
    assert len(rows) == 1 + 1 + 7


def test_a_folder_without_prices_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["backtest", "--data", str(tmp_path)])
    assert ended.value.code == 2
    assert "hourly_close.csv" in " ".join(capsys.readouterr().err.split())


def test_the_venue_lists_what_is_recorded() -> None:
    found = venue.recorded_venue(1_000_000.0)
    assert [terms.symbol for terms in found.lending] == ["USDC", "WBTC", "WETH", "LINK", "UNI"]
    assert found.pool("WETH", "USDC", 500) is not None
    assert found.pool("WETH", "UNI", 3_000) is not None
    assert found.pool("WBTC", "UNI", 3_000) is None
    assert found.initial_nav_usd == 1_000_000.0

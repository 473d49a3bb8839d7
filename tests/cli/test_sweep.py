"""``keeper sweep`` as it is typed, on a made-up market."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.cli import market
from keeper.cli.main import main
from tests.backtest.paths import FIRST, a_path

Sweep = Callable[..., int]


@pytest.fixture
def days() -> int:
    """Of the market after its first decision."""
    return 40


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int) -> Sweep:
    monkeypatch.setattr(market, "market_path", lambda *_, **__: a_path(bars=FIRST + 24 * days))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["sweep", "--set", "decision.tracking_error_band=0.03,0.06", "--splits", "2", *arguments])
        return int(ended.value.code or 0)

    return run


@pytest.mark.slow
def test_the_same_command_writes_the_same_bytes_on_any_number_of_workers_and_when_resumed(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--workers", "1", "--out", "one") == 0
    assert "deflated Sharpe ratio" in " ".join(capsys.readouterr().out.split())
    written = (tmp_path / "one" / "results.csv").read_bytes()
    assert sweep("--workers", "2", "--out", "two") == 0
    assert (tmp_path / "two" / "results.csv").read_bytes() == written
    kept = (tmp_path / "two" / "candidates.jsonl").read_text().split("\n\n")
    (tmp_path / "two" / "candidates.jsonl").write_text(kept[0] + kept[1][:200])
    assert sweep("--out", "two") == 0
    assert (tmp_path / "two" / "results.csv").read_bytes() == written


@pytest.mark.slow
@pytest.mark.parametrize("days", [2])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--set", "decision.tracking_error_bend=0.1"), "tracking_error_bend"),
        (("--set", "decision.tracking_error_band=0.1"), "given twice"),
        (("--set", "estimate.bar_seconds=3600,14400"), "the same bars of one market"),
        (("--set", "size.target_volatility=0.6,0.8"), "one target volatility"),
        (("--score", "luck"), "score is 'luck'"),
        (("--splits", "40"), "splits is 40"),
    ],
)
def test_what_is_wrong_is_named(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], named: str
) -> None:
    assert sweep(*arguments) == 2
    assert named in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.slow
@pytest.mark.parametrize("days", [21])
def test_a_combination_that_contradicts_itself_is_left_out_and_said_so(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--set", "decision.out_of_band=0.05,0.24", "--workers", "1", "--splits", "1") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "2 of 4 combinations are not valid strategies" in text
    assert "out_of_band" in text

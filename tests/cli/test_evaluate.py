"""``keeper evaluate``: what it shows and writes, and what it refuses."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from keeper.cli.app import app
from keeper.cli.evaluate import shown, write_tables
from keeper.domain.errors import BadInput
from keeper.evaluate.candidates import BASE, OWN, UnavailableCandidate
from keeper.evaluate.evaluate import Evaluation
from keeper.evaluate.har_fit import HarFit
from keeper.evaluate.samples import Sample
from keeper.evaluate.scoring import ImpliedGain, Score
from keeper.evaluate.stress import Breaches
from keeper.evaluate.targeting import Targeting
from tests.factories import DAY, NOW

SAMPLE = Sample(
    name="choice: WBTC, WETH",
    symbols=("WBTC", "WETH"),
    start=NOW - NOW % DAY,
    end=NOW - NOW % DAY + 200 * DAY,
    with_options=True,
)
SCORE = Score(
    sample=SAMPLE.name,
    horizon=1,
    candidate=OWN,
    base=BASE,
    days=199,
    log_likelihood=5.9198,
    gain=0.1701,
    t=4.04,
    own_gain=0.0,
    own_t=0.0,
    qlike=0.4,
    qlike_t=5.4,
    portfolio_qlike=0.367,
    bias=1.031,
    targeting=Targeting(realised=0.98, error=0.129, turnover=0.06),
)
OTHER = replace(SCORE, candidate="skfolio RegimeAdjustedEW", gain=-0.0325, t=-0.8, own_gain=0.2027, own_t=4.8)
EVALUATION = Evaluation(
    samples=(SAMPLE,),
    scores=(SCORE, OTHER, replace(SCORE, horizon=7, targeting=None)),
    implied_gains=(
        ImpliedGain(SAMPLE.name, 1, "mix 1·5·42 d + 25% IV", "WBTC", 0.0061, 0.9),
        ImpliedGain(SAMPLE.name, 1, "mix 1·5·42 d + 25% IV", "WETH", -0.0041, -0.5),
    ),
    unavailable=(UnavailableCandidate("skfolio OAS, 60 d", "skfolio is not installed"),),
    stress=(Breaches("6 σ", DAY, 1_690, 0.0012, 0.0024),),
    har=HarFit((0.25, 0.28, 0.21, 0.26), 1.25, 3_957),
)


def printed(evaluation: Evaluation) -> str:
    console = Console(width=100, highlight=False, file=StringIO())
    for part in shown(evaluation):
        console.print(part)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_strategy_is_marked_and_no_number_is_cut_off_at_100_columns() -> None:
    text = printed(EVALUATION)
    assert "▶ this strategy" in text
    for number in (
        "+0.170",
        "+4.0",
        "-0.033",
        "+0.203",
        "0.400",
        "1.03",
        "0.98",
        "0.13",
        "0.060",
        "+0.006 (+0.9)",
    ):
        assert number in text
    assert "…" not in text


def test_period_days_stress_fit_and_who_is_absent_are_said() -> None:
    text = printed(EVALUATION)
    assert "choice: WBTC, WETH · 2023-06-15 to 2023-12-31 · 1 day ahead · 199 forecasts" in text
    assert "7 days ahead" in text
    assert "0.24%" in text
    assert "har_weights = [0.25, 0.28, 0.21, 0.26], har_scale = 1.25" in text
    assert "skfolio OAS, 60 d: skfolio is not installed" in text


def test_every_score_is_a_row_of_the_tables(tmp_path: Path) -> None:
    written = write_tables(EVALUATION, tmp_path)
    assert [path.name for path in written] == ["estimators.csv", "implied.csv", "stress.csv"]
    with written[0].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["candidate"] for row in rows] == [OWN, OTHER.candidate, OWN]
    assert float(rows[0]["error"]) == 0.129
    assert rows[2]["error"] == ""


def test_a_folder_without_history_is_named_with_its_remedy(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, BadInput)
    assert str(tmp_path) in result.exception.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flag", ["--from", "--check-to"])
def test_a_date_that_is_none_is_refused(flag: str) -> None:
    assert CliRunner().invoke(app, ["evaluate", flag, "yesterday"]).exit_code == 2

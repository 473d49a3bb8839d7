"""``keeper evaluate``: which risk estimator forecasts best on recorded history."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import RenderableType
from rich.table import Table

from keeper.cli.market import policy_and_market
from keeper.cli.options import DAY, DataFolder, StrategyFile
from keeper.cli.output import console
from keeper.cli.progress import bar
from keeper.evaluate.candidates import OWN
from keeper.evaluate.evaluate import Evaluation
from keeper.evaluate.evaluate import evaluate as run
from keeper.evaluate.samples import Periods, Sample
from keeper.evaluate.scoring import Score

SEED = 20_190_101
DAY_S = 86_400
CHOICE = (datetime(2019, 1, 1), datetime(2022, 12, 31))  # noqa: DTZ001  # UTC, as the options say
CHECK = (datetime(2023, 1, 1), datetime(2023, 12, 31))  # noqa: DTZ001
MARK = "▶"
WIDTH = 92
CAPTION = (
    "gain: log-likelihood a day above EWMA 0.94; for a blend with implied volatility (IV), above the same without it. "
    "own −: gain of this strategy above the row. bias: 0.9 to 1.1 is good. At the target volatility: vol. is realised "
    "over target, error is the mean error of 30-day blocks, turn. is the turnover a day in NAVs."
)


def _day(flag: str, meaning: str) -> Any:
    return typer.Option(flag, help=f"{meaning}, UTC.", formats=DAY)


def evaluate(
    since: Annotated[datetime, _day("--from", "First day of the period to choose on")] = CHOICE[0],
    until: Annotated[datetime, _day("--to", "Last day of the period to choose on")] = CHOICE[1],
    check_since: Annotated[datetime, _day("--check-from", "First day of the period to check on")] = CHECK[0],
    check_until: Annotated[datetime, _day("--check-to", "Last day of the period to check on")] = CHECK[1],
    data: DataFolder = None,
    strategy: StrategyFile = None,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("evaluation"),
) -> None:
    """Compare risk estimators out of sample: choose one on a period, and check the choice once on a later period."""
    policy, path = policy_and_market(strategy, data, since=since, until=max(until, check_until))
    out.mkdir(parents=True, exist_ok=True)  # a long run must not end at a folder that cannot be written
    periods = Periods(
        start=_seconds(since),
        end=_seconds(until) + DAY_S,
        check_start=_seconds(check_since),
        check_end=_seconds(check_until) + DAY_S,
    )
    with bar("forecasting") as progress:
        evaluation = run(path, policy, periods, generator=np.random.default_rng(SEED), progress=progress)
    screen = console()
    for part in shown(evaluation):
        screen.print(part)
    screen.print("\n".join(str(table) for table in write_tables(evaluation, out)))


def shown(evaluation: Evaluation) -> Iterator[RenderableType]:
    """A table for each sample and horizon; then implied volatility, stress losses and the fit of the HAR."""
    for sample in evaluation.samples:
        for horizon in sorted({score.horizon for score in evaluation.scores}):
            scores = [
                score
                for score in evaluation.scores
                if (score.sample, score.horizon) == (sample.name, horizon)
            ]
            if scores:
                yield _scores(sample, horizon, scores)
    for sample in evaluation.samples:
        if any(gain.sample == sample.name for gain in evaluation.implied_gains):
            yield _implied(evaluation, sample)
    if evaluation.stress:
        yield _stress(evaluation)
    if evaluation.har is not None:
        weights = ", ".join(f"{weight:.2f}" for weight in evaluation.har.weights)
        yield (
            f"log-HAR fitted to {evaluation.har.observations:,} weeks: har_weights = [{weights}], "
            f"har_scale = {evaluation.har.scale:.2f}"
        )
    for candidate in evaluation.unavailable:
        yield f"{candidate.name}: {candidate.reason}"


def write_tables(evaluation: Evaluation, out: Path) -> tuple[Path, ...]:
    """Writes one CSV file for each kind of result into the folder ``out``."""
    scores = [dict(_flat(score)) for score in evaluation.scores]
    gains = [dict(_flat(gain)) for gain in evaluation.implied_gains]
    stress = [dict(_flat(breach)) for breach in evaluation.stress]
    named = (("estimators.csv", scores), ("implied.csv", gains), ("stress.csv", stress))
    return tuple(_write(out / name, rows) for name, rows in named if rows)


def _scores(sample: Sample, horizon: int, scores: Sequence[Score]) -> Table:
    days = f"{horizon} day{'s' if horizon > 1 else ''} ahead"
    table = _table(f"{sample.name} · {_span(sample)} · {days} · {scores[0].days} forecasts")
    table.add_column("estimator", no_wrap=True)
    headings = ["gain", "t", "own −", "t", "QLIKE", "bias"]
    headings += ["vol.", "error", "turn."] if horizon == 1 else []
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for score in scores:
        own = score.candidate == OWN
        cells = [
            f"{score.gain:+.3f}",
            f"{score.t:+.1f}",
            "" if own else f"{score.own_gain:+.3f}",
            "" if own else f"{score.own_t:+.1f}",
            f"{score.qlike:.3f}",
            f"{score.bias:.2f}",
        ]
        if score.targeting is not None:
            targeting = score.targeting
            cells += [f"{targeting.realised:.2f}", f"{targeting.error:.2f}", f"{targeting.turnover:.3f}"]
        table.add_row(f"{MARK if own else ' '} {score.candidate}", *cells, style="bold cyan" if own else None)
    table.caption = CAPTION
    return table


def _implied(evaluation: Evaluation, sample: Sample) -> Table:
    gains = [gain for gain in evaluation.implied_gains if gain.sample == sample.name]
    table = _table(f"What implied volatility adds · {sample.name} · {_span(sample)}")
    table.add_column("blend", no_wrap=True)
    table.add_column("days", justify="right")
    for symbol in sample.symbols:
        table.add_column(symbol, justify="right", no_wrap=True)
    for horizon in sorted({gain.horizon for gain in gains}):
        rows = [gain for gain in gains if gain.horizon == horizon]
        for name in dict.fromkeys(gain.candidate for gain in rows):
            cells = [f"{gain.gain:+.3f} ({gain.t:+.1f})" for gain in rows if gain.candidate == name]
            table.add_row(name, str(horizon), *cells)
    table.caption = "log-likelihood a day above the same estimator without it (t-value); it helps from t = 2"
    return table


def _stress(evaluation: Evaluation) -> Table:
    first = evaluation.stress[0]
    table = _table(f"Losses within {first.hold_s / 3600:g} h, of {first.starts:,} holds begun at 00:00 UTC")
    table.add_column("more than")
    table.add_column("at closes", justify="right")
    table.add_column("at lows", justify="right")
    for breaches in evaluation.stress:
        table.add_row(breaches.bound, f"{breaches.at_closes:.2%}", f"{breaches.at_lows:.2%}")
    return table


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        collapse_padding=True,
        pad_edge=False,
        min_width=WIDTH,
    )


def _span(sample: Sample) -> str:
    last = datetime.fromtimestamp(sample.end, UTC) - timedelta(seconds=1)
    return f"{datetime.fromtimestamp(sample.start, UTC):%Y-%m-%d} to {last:%Y-%m-%d}"


def _seconds(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp())


def _flat(row: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(row):
        value = getattr(row, field.name)
        if is_dataclass(value):
            yield from _flat(value)
        elif value is not None:
            yield field.name, value


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path

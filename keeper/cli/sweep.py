"""``keeper sweep``: many variants of the strategy, judged out of sample."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from keeper.backtest.statistics import volatility
from keeper.backtest.venue import SimulatedVenue
from keeper.cli.market import policy_and_market
from keeper.cli.options import DEFAULT_NAV_USD, DataFolder, Nav, Since, StrategyFile, Until, VenueFile
from keeper.cli.output import console, plain_table
from keeper.cli.progress import bar, print_progress
from keeper.cli.venue import recorded_venue
from keeper.cli.venue_file import own_venue
from keeper.domain.errors import InvalidSetting
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.report.front import FrontPoint, write_front
from keeper.report.numbers import number as figure
from keeper.report.numbers import percent
from keeper.settings.load import load_variant
from keeper.settings.policy import policy as policy_of
from keeper.sweep.findings import CandidateScores, Findings, SweptCandidate, findings
from keeper.sweep.outcome import CandidateOutcome, trial
from keeper.sweep.parameters import Assignment, grid, parsed, random_draws
from keeper.sweep.scores import OF_EQUAL_TARGETS, SCORES
from keeper.sweep.store import Store, digest_of, key_of
from keeper.sweep.workers import Finished, Job, on_cluster, on_this_machine

STOPPED = 130
BEST_SHOWN = 10
REASONS_SHOWN = 3
FIGURES = (
    "sharpe",
    "volatility",
    "drawdown",
    "cost_bps",
    "turnover",
    "missed_target",
    "shares_off",
    "low_health",
)
"""Columns of results.csv after the score: the fields of CandidateScores."""
HEADINGS = (
    "Sharpe",
    "vola-\ntility",
    "worst\nloss",
    "cost\nbps",
    "NAVs\ntraded",
    "off\ntarget",
    "lowest\nhealth",
)


@dataclass(frozen=True, slots=True)
class SweepTask:
    """What a sweep runs: the market, the valid variants by number, and the folder that keeps their outcomes."""

    path: MarketPath
    policies: Mapping[int, Policy]
    assignments: Sequence[Assignment]
    venue: SimulatedVenue
    out: Path


def sweep(
    settings: Annotated[
        list[str],
        typer.Option(
            "--set", help="A setting to vary, repeatable: size.target_volatility=0.6,0.8 or =0.5..1.0."
        ),
    ],
    draws: Annotated[
        int | None, typer.Option("--random", min=1, help="Try this many random draws, not the whole grid.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 1,
    splits: Annotated[int, typer.Option(min=1, max=50, help="Walk-forward splits.")] = 4,
    score: Annotated[
        str, typer.Option(help="Score to choose by: implementation, owner, sharpe, on_target or holding.")
    ] = "implementation",
    since: Since = None,
    until: Until = None,
    data: DataFolder = None,
    strategy: StrategyFile = None,
    nav: Nav = DEFAULT_NAV_USD,
    own: VenueFile = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine. Default: one for each core.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a running Dask scheduler (tcp://host:port) that does the work."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the results. The same command continues a stopped sweep.")
    ] = Path("sweep"),
    picture: Annotated[
        Path | None,
        typer.Option(help="Also draw cost against distance from the target into this SVG file."),
    ] = None,
) -> None:
    """Run variants of the strategy on recorded prices, and say how much of the best result is luck."""
    if score not in SCORES:
        raise InvalidSetting(f"score is {score!r}", remedy=f"Choose one of: {', '.join(SCORES)}.")
    assignments = _assignments(settings, draws, seed)
    if score in OF_EQUAL_TARGETS and "size.target_volatility" in assignments[0]:
        raise InvalidSetting(
            f"score is {score!r}, which compares candidates of one target volatility",
            remedy="Choose --score sharpe, on_target or holding, or do not vary size.target_volatility.",
        )
    policies, left_out = _policies(strategy, assignments)
    screen = console()
    if left_out:
        shown = "\n".join(f"  {reason}" for reason in list(dict.fromkeys(left_out.values()))[:REASONS_SHOWN])
        screen.print(f"{len(left_out)} of {len(assignments)} combinations are not valid strategies:\n{shown}")
    venue = own_venue(own)
    _, path = policy_and_market(strategy, data, since=since, until=until, derived=venue.derived_prices())
    task = SweepTask(
        path=path,
        policies=policies,
        assignments=assignments,
        venue=recorded_venue(nav, own=venue),
        out=out,
    )
    try:
        candidates = _run(task, workers=workers, scheduler=scheduler)
    except KeyboardInterrupt:
        screen.print(f"Stopped. The same command continues from what is in {out}.")
        raise typer.Exit(STOPPED) from None
    _require_outcome(candidates)
    result = findings(candidates, SCORES[score], splits)
    file = _write(result, assignments, out)
    screen.print(_page(result, score))
    if picture is not None:
        _draw_front(result, picture)
    screen.print(f"\n{result.verdict}\n\n{file}")


def _assignments(settings: Sequence[str], draws: int | None, seed: int) -> Sequence[Assignment]:
    parameters = [parsed(text) for text in settings]
    names = [parameter.name for parameter in parameters]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidSetting(
            f"--set {', '.join(repeated)} is given twice", remedy="List all its values in one --set."
        )
    if "estimate.bar_seconds" in names:
        raise InvalidSetting(
            "--set estimate.bar_seconds: all candidates of a sweep trade on the same bars of one market",
            remedy="Set it in the strategy file, and run one sweep for each length with an --out of its own.",
        )
    assignments = grid(parameters) if draws is None else random_draws(parameters, draws, seed)
    return list({repr(assignment): assignment for assignment in assignments}.values())


def _policies(
    strategy: Path | None, assignments: Sequence[Assignment]
) -> tuple[dict[int, Policy], dict[int, str]]:
    """The policies by number, and why the other combinations are not valid. Raises InvalidSetting if none is."""
    policies: dict[int, Policy] = {}
    left_out: dict[int, str] = {}
    for number, assignment in enumerate(assignments):
        try:
            policies[number] = policy_of(load_variant(strategy, assignment))
        except InvalidSetting as error:
            if number == len(left_out) == len(assignments) - 1:
                raise
            left_out[number] = error.message
    return policies, left_out


def _run(task: SweepTask, *, workers: int | None, scheduler: str | None) -> list[SweptCandidate]:
    """Runs what the store does not have yet."""
    store, market = Store(task.out / "candidates.jsonl"), digest_of(task.path)
    keys = {number: key_of(policy, market, task.venue) for number, policy in task.policies.items()}
    outcomes = {number: kept for number, key in keys.items() if (kept := store.get(key)) is not None}
    failures: dict[int, str] = {}
    jobs = {number: policy for number, policy in task.policies.items() if number not in outcomes}
    job = partial(trial, venue=task.venue)
    with bar("candidates") as progress:
        progress(len(outcomes), len(task.policies))
        for number, result in _finished(job, task.path, jobs, workers=workers, scheduler=scheduler):
            if isinstance(result, CandidateOutcome):
                store.put(keys[number], result)
                outcomes[number] = result
            else:
                failures[number] = result.reason
            progress(len(outcomes) + len(failures), len(task.policies))
    return [
        SweptCandidate(
            number, task.assignments[number], outcomes.get(number), failure=failures.get(number, "")
        )
        for number in task.policies
    ]


def _finished(
    job: Job, path: MarketPath, jobs: Mapping[int, Policy], *, workers: int | None, scheduler: str | None
) -> Iterator[Finished]:
    if not jobs:
        return iter(())
    if scheduler is not None:
        return on_cluster(job, path, jobs, scheduler=scheduler)
    return on_this_machine(job, path, jobs, workers=workers or os.cpu_count() or 1)


def _require_outcome(candidates: Sequence[SweptCandidate]) -> None:
    if not any(candidate.outcome for candidate in candidates):
        raise InvalidSetting(
            f"every candidate failed, the first with: {candidates[0].failure}",
            remedy="Choose a longer range of prices, or other values.",
        )


def _write(result: Findings, assignments: Sequence[Assignment], out: Path) -> Path:
    """Writes the candidates in the order of their numbers, so that the same command writes the same bytes."""
    names = list(assignments[0])
    file = out / "results.csv"
    count = len(result.splits)
    with file.open("w", newline="", encoding="utf-8") as target:
        lines = csv.writer(target, lineterminator="\n")
        lines.writerow(
            [
                *("candidate", *names, "score", *FIGURES),
                *(f"train_{place + 1}" for place in range(count)),
                *(f"test_{place + 1}" for place in range(count)),
                *("chosen_in_splits", "failure"),
            ]
        )
        for row in sorted(result.rows, key=lambda row: row.candidate.number):
            number = row.candidate.number
            chosen = " ".join(str(place + 1) for place, best in enumerate(result.chosen) if best == number)
            values = [row.candidate.assignment[name] for name in names]
            lines.writerow(
                [
                    *(number, *values, row.score, *(getattr(row, name) for name in FIGURES)),
                    *(*row.train, *row.test, chosen, ""),
                ]
            )
        for candidate in result.failed:
            values = [candidate.assignment[name] for name in names]
            lines.writerow(
                [candidate.number, *values, *("",) * (2 + len(FIGURES) + 2 * count), candidate.failure]
            )
    return file


def _page(result: Findings, score: str) -> RenderableType:
    names = list(result.rows[0].candidate.assignment)
    headings = ("candidate", *(_last_word(name) for name in names), score, "mean\ntest", *HEADINGS)
    table = plain_table(*(f">{heading}" for heading in headings), title=f"The best by {score}")
    for row in result.rows[:BEST_SHOWN]:
        tests = [value for value in row.test if value == value]
        table.add_row(
            str(row.candidate.number),
            *(_short(row.candidate.assignment[name]) for name in names),
            figure(row.score, 2),
            figure(sum(tests) / len(tests) if tests else float("nan"), 2),
            figure(row.sharpe),
            percent(row.volatility),
            percent(row.drawdown, 0),
            figure(row.cost_bps, 0),
            figure(row.turnover, 1),
            figure(row.missed_target, 3),
            figure(row.low_health),
        )
    realised = percent(volatility(result.walk_forward.returns))
    out_of_sample = figure(result.walk_forward_score)
    chosen = ", ".join(map(str, result.chosen))
    lines = [
        f"Walk forward, choosing {chosen} in turn: {score} {out_of_sample} out of sample, volatility {realised}.",
        f"Rank correlation of scores in and out of sample: {figure(result.rank_correlation)}. 0: choosing is useless.",
    ]
    luck = result.best_over_first
    if not math.isnan(luck.error):
        first = min(row.candidate.number for row in result.rows)
        lines.append(
            f"The best minus candidate {first}: {figure(luck.difference, 3)} ± {figure(luck.error, 3)} "
            f"({score}, in pairs). Luck alone gives the best of {len(result.rows)} such a lead with probability "
            f"{percent(luck.by_luck, 0)}."
        )
    lines.append(f"Cheapest for its distance from the target: {', '.join(_numbers(result.front))}.")
    if result.failed:
        lines.append(f"{len(result.failed)} candidates failed; results.csv has the reasons.")
    return Group(table, "", *lines)


def _draw_front(result: Findings, picture: Path) -> None:
    points = _points(result)
    if points:
        write_front(points, picture)
    else:
        print_progress(f"{picture} is not drawn: too few days to know how well volatility is held")


def _points(result: Findings) -> list[FrontPoint]:
    return [
        FrontPoint(
            row.candidate.number,
            cost_bps=row.cost_bps,
            missed_target=row.missed_target,
            words=", ".join(f"{name} = {value}" for name, value in row.candidate.assignment.items()),
            best=row in result.front,
        )
        for row in result.rows
        if math.isfinite(row.cost_bps) and math.isfinite(row.missed_target)
    ]


def _numbers(rows: Sequence[CandidateScores]) -> list[str]:
    return [str(row.candidate.number) for row in rows]


def _last_word(name: str) -> str:
    return name.rpartition(".")[2].replace("_", "\n")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

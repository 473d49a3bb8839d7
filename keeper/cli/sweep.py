"""``keeper sweep``: many variants of the strategy, judged out of sample."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeper.domain.errors import InvalidSetting

if TYPE_CHECKING:
    from rich.console import RenderableType

    from keeper.backtest.venue import Venue
    from keeper.domain.path import MarketPath
    from keeper.domain.policy import Policy
    from keeper.sweep.findings import Candidate, Findings
    from keeper.sweep.parameters import Assignment
    from keeper.sweep.workers import Finished, Job

DAY = ["%Y-%m-%d"]
STOPPED = 130
BEST_SHOWN = 10
REASONS_SHOWN = 3


def sweep(
    settings: Annotated[
        list[str],
        typer.Option(
            "--set", help="What to vary: size.target_volatility=0.6,0.8 or a range 0.5..1.0; repeat it."
        ),
    ],
    draws: Annotated[
        int | None, typer.Option("--random", min=1, help="So many random draws instead of the whole grid.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random draws.")] = 1,
    splits: Annotated[int, typer.Option(min=1, max=50, help="Walk-forward splits.")] = 4,
    score: Annotated[
        str, typer.Option(help="What is chosen by: implementation, sharpe or on_target.")
    ] = "implementation",
    since: Annotated[
        datetime | None, typer.Option("--from", help="First day of prices, UTC.", formats=DAY)
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Last day, UTC.", formats=DAY)] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of recorded market history; default: KEEPER_DATA_DIR.")
    ] = None,
    strategy: Annotated[
        Path | None, typer.Option(help="Strategy file that is varied; default: ./keeper.toml.")
    ] = None,
    nav: Annotated[float, typer.Option(min=1_000.0, help="The vault's value, USD.")] = 250_000.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes here; default: one a core.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="An existing Dask scheduler, tcp://host:port, instead of this machine.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the results, and where a stopped sweep goes on.")
    ] = Path("sweep"),
) -> None:
    """Try variants of the strategy on recorded prices; says how much of the best one is luck."""
    from keeper.cli.market import market_path
    from keeper.cli.output import console
    from keeper.cli.venue import recorded_venue
    from keeper.settings.load import load_strategy
    from keeper.settings.policy import policy as policy_of
    from keeper.sweep.findings import findings
    from keeper.sweep.scores import SCORES

    if score not in SCORES:
        raise InvalidSetting(f"score is {score!r}", remedy=f"Choose one of: {', '.join(SCORES)}.")
    assignments = _assignments(settings, draws, seed)
    if score == "implementation" and "size.target_volatility" in assignments[0]:
        raise InvalidSetting(
            "score is 'implementation', which compares candidates of one target volatility",
            remedy="Choose --score sharpe or on_target, or leave size.target_volatility as it is.",
        )
    policies, left_out = _policies(strategy, assignments)
    screen = console()
    if left_out:
        shown = "\n".join(f"  {reason}" for reason in list(dict.fromkeys(left_out.values()))[:REASONS_SHOWN])
        screen.print(f"{len(left_out)} of {len(assignments)} combinations contradict themselves:\n{shown}")
    base = policy_of(load_strategy(strategy))
    symbols = tuple(asset.symbol for asset in base.assets)
    path = market_path(data, symbols, since, until, base.estimate.max_gap_s)
    try:
        candidates = _run(path, policies, assignments, recorded_venue(nav), out, workers, scheduler)
    except KeyboardInterrupt:
        screen.print(f"Stopped. The same command goes on from what is kept in {out}.")
        raise typer.Exit(STOPPED) from None
    _require_one(candidates)
    found = findings(candidates, SCORES[score], splits)
    file = _write(found, assignments, out)
    screen.print(_page(found, score))
    screen.print(f"\n{found.verdict}\n\n{file}")


def _assignments(settings: Sequence[str], draws: int | None, seed: int) -> Sequence[Assignment]:
    from keeper.sweep.parameters import grid, parsed, random_draws

    parameters = [parsed(text) for text in settings]
    names = [parameter.name for parameter in parameters]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidSetting(
            f"set: {', '.join(twice)} is given twice", remedy="List all its values in one --set."
        )
    found = grid(parameters) if draws is None else random_draws(parameters, draws, seed)
    return list({repr(one): one for one in found}.values())


def _policies(
    strategy: Path | None, assignments: Sequence[Assignment]
) -> tuple[dict[int, Policy], dict[int, str]]:
    """Raises InvalidSetting when no combination is a strategy."""
    from keeper.settings.load import load_variant
    from keeper.settings.policy import policy as policy_of

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


def _run(
    path: MarketPath,
    policies: Mapping[int, Policy],
    assignments: Sequence[Assignment],
    venue: Venue,
    out: Path,
    workers: int | None,
    scheduler: str | None,
) -> list[Candidate]:
    from functools import partial

    from keeper.cli.progress import bar
    from keeper.sweep.findings import Candidate
    from keeper.sweep.outcome import Outcome, trial
    from keeper.sweep.store import Store, digest_of, key_of

    store, market = Store(out / "candidates.jsonl"), digest_of(path)
    keys = {number: key_of(policy, market, venue) for number, policy in policies.items()}
    found = {number: kept for number, key in keys.items() if (kept := store.get(key)) is not None}
    failures: dict[int, str] = {}
    jobs = {number: policy for number, policy in policies.items() if number not in found}
    with bar("candidates") as progress:
        progress(len(found), len(policies))
        for number, result in _finished(partial(trial, venue=venue), path, jobs, workers, scheduler):
            if isinstance(result, Outcome):
                store.put(keys[number], result)
                found[number] = result
            else:
                failures[number] = result.reason
            progress(len(found) + len(failures), len(policies))
    return [
        Candidate(number, assignments[number], found.get(number), failures.get(number, ""))
        for number in policies
    ]


def _finished(
    job: Job, path: MarketPath, jobs: Mapping[int, Policy], workers: int | None, scheduler: str | None
) -> Iterator[Finished]:
    import os

    from keeper.sweep.workers import on_cluster, on_this_machine

    if not jobs:
        return iter(())
    if scheduler is not None:
        return on_cluster(job, path, jobs, scheduler)
    return on_this_machine(job, path, jobs, workers or os.cpu_count() or 1)


def _require_one(candidates: Sequence[Candidate]) -> None:
    if not any(candidate.outcome for candidate in candidates):
        raise InvalidSetting(
            f"set: every candidate failed, the first with: {candidates[0].failure}",
            remedy="Choose a longer range of prices, or other values.",
        )


def _write(found: Findings, assignments: Sequence[Assignment], out: Path) -> Path:
    """Candidates in the order of their numbers: the same command writes the same bytes."""
    names = list(assignments[0])
    file = out / "results.csv"
    count = len(found.splits)
    with file.open("w", newline="", encoding="utf-8") as target:
        lines = csv.writer(target, lineterminator="\n")
        lines.writerow(
            [
                *("candidate", *names, "score", "sharpe", "volatility", "drawdown"),
                *(f"train_{place + 1}" for place in range(count)),
                *(f"test_{place + 1}" for place in range(count)),
                *("chosen_in_splits", "failure"),
            ]
        )
        for row in sorted(found.rows, key=lambda row: row.candidate.number):
            number = row.candidate.number
            chosen = " ".join(str(place + 1) for place, one in enumerate(found.chosen) if one == number)
            values = [row.candidate.assignment[name] for name in names]
            lines.writerow(
                [
                    *(number, *values, row.score, row.sharpe, row.volatility, row.drawdown),
                    *(*row.train, *row.test, chosen, ""),
                ]
            )
        for candidate in found.failed:
            values = [candidate.assignment[name] for name in names]
            lines.writerow([candidate.number, *values, *("",) * (5 + 2 * count), candidate.failure])
    return file


def _page(found: Findings, score: str) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    from keeper.backtest.statistics import volatility
    from keeper.report.page import number, percent

    names = list(found.rows[0].candidate.assignment)
    table = Table(
        box=None, pad_edge=False, padding=(0, 1), title=f"The best by {score}", title_justify="left"
    )
    for heading in ("", *names, score, "mean test", "Sharpe", "volatility", "worst loss"):
        table.add_column(heading, justify="right")
    for row in found.rows[:BEST_SHOWN]:
        tests = [value for value in row.test if value == value]
        table.add_row(
            str(row.candidate.number),
            *(_short(row.candidate.assignment[name]) for name in names),
            number(row.score, 2),
            number(sum(tests) / len(tests) if tests else float("nan"), 2),
            number(row.sharpe),
            percent(row.volatility),
            percent(row.drawdown, 0),
        )
    followed = percent(volatility(found.walk_forward.returns))
    out_of_sample = number(found.walk_forward_score)
    chosen = ", ".join(map(str, found.chosen))
    lines = [
        f"Walk forward, choosing {chosen} in turn: {score} {out_of_sample} out of sample, volatility {followed}.",
        f"Rank correlation of scores in and out of sample: {number(found.rank_correlation)} (0: choosing is no use).",
    ]
    if found.failed:
        lines.append(f"{len(found.failed)} candidates failed; results.csv says why.")
    return Group(table, "", *lines)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

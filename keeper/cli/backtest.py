"""``keeper backtest``: what the strategy would have done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from keeper.backtest.result import BacktestResult
from keeper.backtest.runs import Competitor, benchmark_runs, sensitivity_runs, strategy_run, yardstick_runs
from keeper.backtest.statistics import summarise
from keeper.backtest.venue import SimulatedVenue, VaultSize
from keeper.cli.backtest_screen import screen, sensitivity_screen
from keeper.cli.market import policy_and_market
from keeper.cli.options import DEFAULT_NAV_USD, DataFolder, Nav, Since, StrategyFile, Until, VenueFile
from keeper.cli.output import console
from keeper.cli.progress import bar, print_progress
from keeper.cli.venue import recorded_venue
from keeper.cli.venue_file import own_venue
from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.report.page import write_page
from keeper.report.picture import write_picture
from keeper.report.tables import SENSITIVITY, write_summary, write_tables


def backtest(
    since: Since = None,
    until: Until = None,
    data: DataFolder = None,
    strategy: StrategyFile = None,
    out: Annotated[Path, typer.Option(help="Folder for the page and the tables.")] = Path("backtest"),
    nav: Nav = DEFAULT_NAV_USD,
    own: VenueFile = None,
    vault_size: Annotated[
        VaultSize,
        typer.Option(
            "--size", help="Whether the vault is held at that value, or keeps its gains and losses."
        ),
    ] = VaultSize.CONSTANT,
    target: Annotated[
        float | None,
        typer.Option(help="Target volatility in place of the strategies', a fraction a year: 0.4 is 40 %."),
    ] = None,
    benchmarks: Annotated[bool, typer.Option(help="Also run the benchmark strategies.")] = True,
    alone: Annotated[
        bool,
        typer.Option(
            "--alone",
            help="In place of the benchmarks run equal weight and each asset alone, to the same target.",
        ),
    ] = False,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also run this file's strategy to the same target on bars of the same length. Repeatable."
        ),
    ] = None,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Also run the strategy with other rates, assets, fees, gas and sizes, and compare.",
        ),
    ] = False,
    every_bar: Annotated[
        bool,
        typer.Option(
            "--every-bar",
            help="Let the strategy decide at every bar, as the daemon does, not once per decision.routine_every_s.",
        ),
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Also draw growth, drawdown and leverage into this SVG file, of recorded prices alone."
        ),
    ] = None,
) -> None:
    """Run the strategy on recorded prices, through the functions of the live keeper.

    Decisions begin on the first bar with enough history.
    """
    own_terms = own_venue(own)
    changes = {} if target is None else {"size.target_volatility": target}
    derived = own_terms.derived_prices()
    policy, path = policy_and_market(
        strategy, data, since=since, until=until, derived=derived, changes=changes
    )
    same = {
        "size.target_volatility": policy.size.target_volatility,
        "estimate.bar_seconds": policy.estimate.bar_seconds,
    }
    others = tuple(
        _competitor(
            name, policy_and_market(file, data, since=since, until=until, derived=derived, changes=same)
        )
        for name, file in zip(competitor_names(against or ()), against or (), strict=True)
    )
    out.mkdir(parents=True, exist_ok=True)  # a long run must not end at a folder that cannot be written
    venue = recorded_venue(nav, vault_size, own_terms)
    results = list(_runs(path, policy, venue, benchmarks=benchmarks and not alone, every_bar=every_bar))
    if alone or others:
        results += _yardsticks(path, policy, venue, others=others, alone=alone)
    summaries = [summarise(result) for result in results]
    page = write_page(results, summaries, out)
    tables = write_tables(results, summaries, out)
    if picture is not None and path.recorded:
        write_picture(results, picture)
    console().print(screen(results, summaries))
    if picture is not None and not path.recorded:
        console().print(f"{picture} is not drawn: the market is {path.source}.", markup=False)
    if sensitivity:
        changed = [results[0], *_sensitivities(path, policy, venue)]
        figures = [summarise(result) for result in changed]
        tables = (*tables, write_summary(changed, figures, out / SENSITIVITY))
        console().print(sensitivity_screen(changed, figures))
    console().print(f"\n{page}\n" + "\n".join(str(table) for table in tables))


def _runs(
    path: MarketPath, policy: Policy, venue: SimulatedVenue, *, benchmarks: bool, every_bar: bool
) -> Iterator[BacktestResult]:
    with bar(policy.size.allocation.replace("_", " ")) as progress:
        yield strategy_run(path, policy, venue, progress=progress, every_bar=every_bar)
    if benchmarks:
        print_progress("running the benchmark strategies, one process per core")
        yield from benchmark_runs(
            path,
            policy,
            venue,
            finished=lambda name: print_progress(f"{name}: done"),
            every_bar=every_bar,
        )


def competitor_names(files: Sequence[Path]) -> tuple[str, ...]:
    """Of other strategies: the file's name without its ending, or its path where two files have the same name. Raises
    BadInput where a file is named twice."""
    stems = [file.stem for file in files]
    for file in files:
        if files.count(file) > 1:
            raise BadInput(f"--against names {file} twice", remedy="Name each strategy file once.")
    return tuple(file.stem if stems.count(file.stem) == 1 else str(file) for file in files)


def _competitor(name: str, market: tuple[Policy, MarketPath]) -> Competitor:
    policy, path = market
    return Competitor(name, path, policy)


def _yardsticks(
    path: MarketPath, policy: Policy, venue: SimulatedVenue, *, others: Sequence[Competitor], alone: bool
) -> list[BacktestResult]:
    print_progress("running the yardsticks, one process per core")
    return list(
        yardstick_runs(
            path,
            policy,
            venue,
            finished=lambda name: print_progress(f"{name}: done"),
            others=others,
            alone=alone,
        )
    )


def _sensitivities(path: MarketPath, policy: Policy, venue: SimulatedVenue) -> Iterator[BacktestResult]:
    print_progress("running the strategy under other assumptions, one process per core")
    yield from sensitivity_runs(path, policy, venue, finished=lambda name: print_progress(f"{name}: done"))

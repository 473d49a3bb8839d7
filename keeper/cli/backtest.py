"""``keeper backtest``: what the strategy would have done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keeper.backtest.venue import VaultSize

if TYPE_CHECKING:
    from keeper.backtest.result import BacktestResult
    from keeper.backtest.venue import Venue
    from keeper.domain.path import MarketPath
    from keeper.domain.policy import Policy

DAY = ["%Y-%m-%d"]
FROM = typer.Option(
    "--from", help="First day of prices, UTC; decisions begin with enough history.", formats=DAY
)
TO = typer.Option("--to", help="Last day, UTC.", formats=DAY)


def backtest(
    since: Annotated[datetime | None, FROM] = None,
    until: Annotated[datetime | None, TO] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of recorded market history; default: KEEPER_DATA_DIR.")
    ] = None,
    strategy: Annotated[
        Path | None, typer.Option(help="Strategy file; default: ./keeper.toml. The environment is not read.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page and the tables.")] = Path("backtest"),
    nav: Annotated[float, typer.Option(min=1_000.0, help="The vault's value at the start, USD.")] = 250_000.0,
    vault_size: Annotated[
        VaultSize,
        typer.Option("--size", help="Whether the vault is kept at that value or keeps what it makes."),
    ] = VaultSize.CONSTANT,
    benchmarks: Annotated[bool, typer.Option(help="Also run the benchmark strategies.")] = True,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw curve, drawdown and leverage to this SVG file.")
    ] = None,
) -> None:
    """Walk the strategy along recorded prices, through the live keeper's own estimate, size and decide."""
    from keeper.backtest.statistics import summarise
    from keeper.cli.backtest_screen import screen
    from keeper.cli.market import market_path
    from keeper.cli.output import console
    from keeper.cli.venue import recorded_venue
    from keeper.report.page import write_page
    from keeper.report.picture import write_picture
    from keeper.report.tables import write_tables
    from keeper.settings.load import load_strategy
    from keeper.settings.policy import policy as policy_of

    policy = policy_of(load_strategy(strategy))
    symbols = tuple(asset.symbol for asset in policy.assets)
    path = market_path(data, symbols, since, until, policy.estimate.max_gap_s)
    venue = recorded_venue(nav, vault_size)
    results = list(_runs(path, policy, venue, benchmarks=benchmarks))
    summaries = [summarise(result) for result in results]
    out.mkdir(parents=True, exist_ok=True)
    page = write_page(results, summaries, out)
    tables = write_tables(results, summaries, out)
    if picture is not None:
        write_picture(results, picture)
    console().print(screen(results, summaries))
    console().print(f"\n{page}\n" + "\n".join(str(table) for table in tables))


def _runs(path: MarketPath, policy: Policy, venue: Venue, *, benchmarks: bool) -> Iterator[BacktestResult]:
    from keeper.backtest.runs import benchmark_runs, strategy_run
    from keeper.cli.progress import bar, print_progress

    with bar(policy.size.allocation.replace("_", " ")) as progress:
        yield strategy_run(path, policy, venue, progress)
    if benchmarks:
        print_progress("running the benchmark strategies, one process per core")
        yield from benchmark_runs(path, policy, venue, lambda name: print_progress(f"{name}: done"))

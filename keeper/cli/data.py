"""``keeper data``: the price history that risk is estimated from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from keeper.app import backfill as filling
from keeper.app import venue_bars
from keeper.app.assembly import strategy
from keeper.app.option_market import option_market
from keeper.cli.data_screen import coverage_object, coverage_page, filled_table, implied_object, implied_page
from keeper.cli.options import AsJson
from keeper.cli.output import console, print_json
from keeper.cli.progress import bar, print_progress
from keeper.domain.errors import BadInput
from keeper.domain.policy import Policy
from keeper.journal.bars import StoredBars
from keeper.journal.exported_closes import write
from keeper.journal.history import History, closes_with_sources, stored_history
from keeper.journal.store import Journal
from keeper.recorded.candle_files import read
from keeper.risk.coverage import coverage, is_enough, returns_together
from keeper.settings.endpoints import references
from keeper.settings.load import load
from keeper.settings.schema import Settings

app = typer.Typer(help="Fill, check and export the price history.", no_args_is_help=True)
DAY_S = 86_400

Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="An asset of the strategy, repeatable. Default: all.")
]
Days = Annotated[
    int | None,
    typer.Option("--days", min=1, help="How far back. Default: the history that the estimate uses."),
]


@app.command()
def backfill(
    source: Annotated[
        str,
        typer.Option(help="rounds (of the feeds on chain), coinbase, kraken, binance, or a file."),
    ] = "rounds",
    symbols: Symbols = None,
    days: Days = None,
    seconds: Annotated[
        int | None, typer.Option(min=60, help="Length of a bar. Default: estimate.bar_seconds.")
    ] = None,
    stamped: Annotated[
        Literal["open", "close"] | None,
        typer.Option("--time", help="Whether the column `time` of a file is the open or the close of a bar."),
    ] = None,
) -> None:
    """Fetch missing price history into the journal. Exit code 3 if a source stops answering."""
    settings, file = load(), filling.is_file(source)
    policy = strategy(settings, print_progress)
    chosen, bar_seconds = _chosen(policy, symbols), _bar_seconds(policy, seconds)
    history_s = days * DAY_S if days is not None else policy.estimate.history_s
    if file:
        since = filling.now(settings, print_progress) - history_s if days is not None else 0
        results = _from_file(
            settings, Path(source), chosen, seconds=bar_seconds, since=since, stamped=stamped
        )
    elif source == "rounds":
        results = list(filling.further_rounds(settings, chosen, history_s, progress=print_progress))
    else:
        results = _from_venue(settings, source, chosen, seconds=bar_seconds, history_s=history_s)
    console().print(filled_table(results))
    if any(result.failure for result in results):
        raise typer.Exit(3)


@app.command()
def check(
    days: Days = None,
    as_json: AsJson = False,
) -> None:
    """Show which price history each asset has and lacks. Exit code 4 if it is too short for an estimate."""
    policy, history = _history(days)
    assets = coverage(history.from_rounds, history.merged)
    together, needed = returns_together(history.merged), policy.estimate.min_bars
    enough = is_enough(assets, together, needed)
    if as_json:
        print_json(coverage_object(assets, together, needed, exit_code=0 if enough else 4))
    else:
        console().print(coverage_page(assets, together, needed))
    raise typer.Exit(0 if enough else 4)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file to write: .csv or .parquet.")],
    symbols: Symbols = None,
    days: Days = None,
) -> None:
    """Write the bars that the risk estimate uses to a file: symbol, closed_at, close, source."""
    policy, history = _history(days)
    rows = closes_with_sources(history, _chosen(policy, symbols))
    write(file, rows)
    typer.echo(f"{len(rows):,} rows in {file}")


@app.command()
def iv(
    as_json: AsJson = False,
) -> None:
    """Show the implied volatility that a cycle would use now, and its sources. Exit code 3 if one is missing."""
    market = option_market(load(), print_progress)
    if as_json:
        print_json(implied_object(market))
    else:
        console().print(implied_page(market))
    raise typer.Exit(3 if any(implied.reading.volatility is None for implied in market.views) else 0)


def _from_venue(
    settings: Settings, name: str, symbols: tuple[str, ...], *, seconds: int, history_s: int
) -> list[venue_bars.Filled]:
    reference_of, results = references(settings), []
    until = filling.now(settings, print_progress) - venue_bars.SETTLED_S
    with filling.open_for_bars(settings.journal_url) as journal, filling.venue_of(settings, name) as venue:
        stored = StoredBars(journal)
        for symbol in symbols:
            if symbol not in reference_of:
                results.append(
                    venue_bars.Filled(
                        symbol,
                        name,
                        venue_bars.NOTHING,
                        span=None,
                        failure="no exchange trades it (oracle.feeds)",
                    )
                )
                continue
            print_progress(f"{symbol}: {name}'s bars of {seconds} s")
            with bar(symbol) as progress:
                request = venue_bars.BarRequest(
                    symbol, reference_of[symbol], seconds=seconds, since=until - history_s, until=until
                )
                results.append(venue_bars.backfill(venue, stored, request, progress=progress))
    return results


def _from_file(
    settings: Settings, path: Path, symbols: tuple[str, ...], *, seconds: int, since: int, stamped: str | None
) -> list[venue_bars.Filled]:
    table = read(path, seconds, filling.now(settings, print_progress), stamped=stamped)
    for note in table.notes:
        print_progress(note)
    left_out = sorted(set(table.candles) - {""} - set(symbols))
    if left_out:
        print_progress(f"{path.name}: {', '.join(left_out)} left out, because --symbol does not name them")
    with filling.open_for_bars(settings.journal_url) as journal:
        return list(
            filling.from_file(StoredBars(journal), path.name, table.candles, symbols=symbols, since=since)
        )


def _history(days: int | None) -> tuple[Policy, History]:
    settings = load()
    policy = strategy(settings, print_progress)
    history_s = days * DAY_S if days is not None else policy.estimate.history_s
    symbols = [asset.symbol for asset in policy.assets]
    with Journal.open_if_there(settings.journal_url) as journal:
        if not journal.exists:
            print_progress(f"there is no journal at {journal.name}: nothing is stored there yet")
        return policy, stored_history(
            journal,
            symbols,
            filling.now(settings, print_progress),
            history_s=history_s,
            policy=policy.estimate,
        )


def _chosen(policy: Policy, symbols: list[str] | None) -> tuple[str, ...]:
    """Raises BadInput for a symbol that the strategy does not have."""
    known = [asset.symbol for asset in policy.assets]
    unknown = [symbol for symbol in symbols or () if symbol not in known]
    if unknown:
        raise BadInput(
            f"--symbol {', '.join(unknown)}: not in the strategy", remedy=f"It has {', '.join(known)}."
        )
    return tuple(dict.fromkeys(symbols or known))


def _bar_seconds(policy: Policy, seconds: int | None) -> int:
    """Raises BadInput for bars that do not fit into the grid of the estimate."""
    grid = policy.estimate.bar_seconds
    if seconds is not None and grid % seconds:
        raise BadInput(
            f"--seconds {seconds}: bars of this length do not end where those of {grid} s do",
            remedy=f"Choose a length that divides estimate.bar_seconds = {grid}.",
        )
    return seconds if seconds is not None else grid

"""``keeper data``: the price history that risk is estimated from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from keeper.app.backfill import Filled
    from keeper.domain.policy import Policy
    from keeper.journal.history import History
    from keeper.settings.schema import Settings

app = typer.Typer(help="Fill, check and export the price history.", no_args_is_help=True)
DAY_S = 86_400

Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="An asset of the strategy, repeatable; default: all.")
]
Days = Annotated[
    int | None, typer.Option("--days", min=1, help="How far back; default: what the estimate looks at.")
]


@app.command()
def backfill(
    source: Annotated[
        str,
        typer.Option(help="rounds: the feeds' own, further back; coinbase, kraken, binance; or a file."),
    ] = "rounds",
    symbols: Symbols = None,
    days: Days = None,
    seconds: Annotated[
        int | None, typer.Option(min=60, help="Length of a bar; default: estimate.bar_seconds.")
    ] = None,
    stamped: Annotated[
        Literal["open", "close"] | None,
        typer.Option("--time", help="Which end of a bar a file's column `time` is."),
    ] = None,
) -> None:
    """Fetch what is missing of the price history into the journal. Exit code 3 when a source gave out."""
    from keeper.app.backfill import further_rounds, is_file, now
    from keeper.app.composition import strategy
    from keeper.cli.data_screen import filled_table
    from keeper.cli.output import console
    from keeper.cli.progress import print_progress
    from keeper.settings.load import load

    settings, file = load(), is_file(source)
    policy = strategy(settings, print_progress)
    chosen, bar_seconds = _chosen(policy, symbols), _bar_seconds(policy, seconds)
    history_s = days * DAY_S if days is not None else policy.estimate.history_s
    if file:
        since = now(settings, print_progress) - history_s if days is not None else 0
        results = _from_file(settings, Path(source), chosen, bar_seconds, since, stamped)
    elif source == "rounds":
        results = list(further_rounds(settings, chosen, history_s, print_progress))
    else:
        results = _from_venue(settings, source, chosen, bar_seconds, history_s)
    console().print(filled_table(results))
    if any(result.failure for result in results):
        raise typer.Exit(3)


@app.command()
def check(
    days: Days = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """What is there and what is missing, of each asset. Exit code 4 when an estimate would be refused."""
    from keeper.cli.data_screen import coverage_object, coverage_page
    from keeper.cli.output import console, print_json
    from keeper.risk.coverage import coverage, is_enough, returns_together

    policy, history = _history(days)
    found = coverage(history.from_rounds, history.merged)
    together, needed = returns_together(history.merged), policy.estimate.min_bars
    enough = is_enough(found, together, needed)
    if as_json:
        print_json(coverage_object(found, together, needed, 0 if enough else 4))
    else:
        console().print(coverage_page(found, together, needed))
    raise typer.Exit(0 if enough else 4)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to: .csv or .parquet.")],
    symbols: Symbols = None,
    days: Days = None,
) -> None:
    """Write the bars that risk is estimated from to a file: symbol, closed_at, close, source."""
    from keeper.journal.candle_files import write
    from keeper.journal.history import closes_with_sources

    policy, history = _history(days)
    rows = closes_with_sources(history, _chosen(policy, symbols))
    write(file, rows)
    typer.echo(f"{len(rows):,} rows in {file}")


@app.command()
def iv(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Implied volatility as a cycle would use it now, and how it came out. Exit code 3 when there is none."""
    from keeper.app.option_market import option_market
    from keeper.cli.data_screen import implied_object, implied_page
    from keeper.cli.output import console, print_json
    from keeper.cli.progress import print_progress
    from keeper.settings.load import load

    seen = option_market(load(), print_progress)
    if as_json:
        print_json(implied_object(seen))
    else:
        console().print(implied_page(seen))
    raise typer.Exit(3 if any(one.reading.volatility is None for one in seen.found) else 0)


def _from_venue(
    settings: Settings, name: str, symbols: tuple[str, ...], seconds: int, history_s: int
) -> list[Filled]:
    from keeper.app.backfill import NOTHING, SETTLED_S, Filled, backfill, now, open_for_bars, venue_of
    from keeper.cli.progress import bar, print_progress
    from keeper.journal.bars import StoredBars
    from keeper.settings.endpoints import references

    known_as, results = references(settings), []
    until = now(settings, print_progress) - SETTLED_S
    with open_for_bars(settings.journal_url) as journal, venue_of(settings, name) as venue:
        stored = StoredBars(journal)
        for symbol in symbols:
            if symbol not in known_as:
                results.append(Filled(symbol, name, NOTHING, None, "no exchange trades it (oracle.feeds)"))
                continue
            print_progress(f"{symbol}: {name}'s bars of {seconds} s")
            with bar(symbol) as progress:
                since = until - history_s
                reference = known_as[symbol]
                results.append(backfill(venue, stored, symbol, reference, seconds, since, until, progress))
    return results


def _from_file(
    settings: Settings, path: Path, symbols: tuple[str, ...], seconds: int, since: int, stamped: str | None
) -> list[Filled]:
    from keeper.app.backfill import from_file, now, open_for_bars
    from keeper.cli.progress import print_progress
    from keeper.journal.bars import StoredBars
    from keeper.journal.candle_files import read

    found = read(path, seconds, now(settings, print_progress), stamped)
    for count, what in (
        (found.without_zone, "rows name no time zone and were read as UTC"),
        (found.repeated, "rows were there twice, with the same prices"),
        (found.unfinished, "bars had not closed yet and were left out"),
    ):
        if count:
            print_progress(f"{path.name}: {count:,} {what}")
    left_out = sorted(set(found.candles) - {""} - set(symbols))
    if left_out:
        print_progress(f"{path.name}: {', '.join(left_out)} left out, not asked for")
    with open_for_bars(settings.journal_url) as journal:
        return list(from_file(StoredBars(journal), path.name, found.candles, symbols, since))


def _history(days: int | None) -> tuple[Policy, History]:
    from keeper.app.backfill import now
    from keeper.app.composition import strategy
    from keeper.cli.progress import print_progress
    from keeper.journal.history import stored_history
    from keeper.journal.store import Journal
    from keeper.settings.load import load

    settings = load()
    policy = strategy(settings, print_progress)
    history_s = days * DAY_S if days is not None else policy.estimate.history_s
    symbols = [asset.symbol for asset in policy.assets]
    with Journal.open_for_reading(settings.journal_url) as journal:
        return policy, stored_history(
            journal, symbols, now(settings, print_progress), history_s, policy.estimate
        )


def _chosen(policy: Policy, symbols: list[str] | None) -> tuple[str, ...]:
    """Raises BadInput for a symbol that the strategy does not have."""
    from keeper.domain.errors import BadInput

    known = [asset.symbol for asset in policy.assets]
    unknown = [symbol for symbol in symbols or () if symbol not in known]
    if unknown:
        raise BadInput(
            f"--symbol {', '.join(unknown)}: not in the strategy", remedy=f"It has {', '.join(known)}."
        )
    return tuple(dict.fromkeys(symbols or known))


def _bar_seconds(policy: Policy, seconds: int | None) -> int:
    """Raises BadInput for bars that the estimate's grid has no use for."""
    from keeper.domain.errors import BadInput

    grid = policy.estimate.bar_seconds
    if seconds is not None and grid % seconds:
        raise BadInput(
            f"--seconds {seconds}: bars of this length do not end where those of {grid} s do",
            remedy=f"Take one that divides estimate.bar_seconds = {grid}.",
        )
    return seconds if seconds is not None else grid

"""``keeper journal``: what the keeper saw, concluded and did."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from keeper.app.queries import pauses, stored_records, stored_swaps, verified
from keeper.cli.options import DAY, AsJson, RecordId
from keeper.cli.output import console, pause_text, print_json, table_of
from keeper.cli.render import page
from keeper.runtime.table_files import write_table
from keeper.settings.load import load
from keeper.views.costs import TRADED_COSTS, traded_costs
from keeper.views.exported import SWAP_COLUMNS, record_columns, record_row, swap_row
from keeper.views.lines import pause_lines
from keeper.views.record import RECORD
from keeper.views.status import RECORD_SUMMARY

app = typer.Typer(help="List, show, export and verify the decision records.", no_args_is_help=True)

MAX_SWAPS = 100_000
"""More than years of trading."""
RECORDS = (
    ("record", "{record_id:.12}"),
    ("started", "{started_at}"),
    ("mode", "{mode}"),
    ("outcome", "{outcome}"),
    ("reason", "{reason}"),
)
COSTS = (
    ("asset", "{symbol}"),
    (">trades", "{trades}"),
    (">value USD", "{value_usd}"),
    (">pool fees", "{fees_bps}"),
    (">quoted", "{quoted_bps}"),
    (">simulated", "{simulated_bps}"),
    (">realised", "{realised_bps}"),
    (">worst", "{worst_bps}"),
)


@app.command("list")
def list_records(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many records, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest records, one line each."""
    settings = load()
    with stored_records(settings) as stored:
        records = stored.latest(limit)
    if as_json:
        print_json({"records": [RECORD_SUMMARY.json(record) for record in records]})
        return
    screen = console()
    screen.print(pause_text(pause_lines(pauses(settings))))
    screen.print(table_of(RECORD_SUMMARY, records, RECORDS) if records else "The journal has no records yet.")


@app.command()
def show(record_id: RecordId, as_json: AsJson = False) -> None:
    """Show one record as it was on the screen, with every bound and provenance."""
    with stored_records(load()) as stored:
        record = stored.record(record_id)
    if as_json:
        print_json(RECORD.json(record))
    else:
        console().print(page(record, verbose=True))


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file to write: .csv or .parquet.")],
    since: Annotated[
        datetime | None, typer.Option("--from", help="First day, UTC. Default: all there are.", formats=DAY)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", help="Last day, UTC. Default: all there are.", formats=DAY)
    ] = None,
    swaps: Annotated[
        bool, typer.Option("--swaps", help="One row for each executed swap instead of each record.")
    ] = False,
) -> None:
    """Write records to a file, one row each, oldest first. Columns: docs/json.md."""
    settings = load()
    begin, end = _unix(since, 0.0), _unix(until, math.inf, days=1)
    if swaps:
        executed = stored_swaps(settings, MAX_SWAPS)
        rows = [swap_row(swap) for swap in executed if begin <= swap.at < end]
        count = write_table(file, SWAP_COLUMNS, rows)
    else:
        symbols = tuple(asset.symbol for asset in settings.assets)
        with stored_records(settings) as stored:
            records = (record_row(record, symbols) for record in stored.between(begin, end))
            count = write_table(file, record_columns(symbols), records)
    typer.echo(f"{count:,} rows in {file}")


def _unix(day: datetime | None, default: float, days: int = 0) -> float:
    """Unix seconds of a day in UTC, and ``days`` after it."""
    return default if day is None else (day.replace(tzinfo=UTC) + timedelta(days=days)).timestamp()


@app.command()
def costs(as_json: AsJson = False) -> None:
    """Show what trading each asset cost: quoted, simulated and realised, in bps of the value traded."""
    settings = load()
    traded = traded_costs(stored_swaps(settings, MAX_SWAPS), tuple(asset.symbol for asset in settings.assets))
    if as_json:
        print_json({"assets": [TRADED_COSTS.json(asset) for asset in traded]})
    else:
        console().print(table_of(TRADED_COSTS, traded, COSTS) if traded else "The journal has no trades yet.")


@app.command()
def verify() -> None:
    """Recompute the hash chain over every row of every table. Names a changed row and ends with exit code 7."""
    typer.echo(f"{verified(load()):,} entries, every row as it was written")

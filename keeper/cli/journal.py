"""``keeper journal``: what the keeper saw, concluded and did."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from keeper.app.queries import (
    days,
    pauses,
    stored_costs,
    stored_records,
    stored_swaps,
    stored_transactions,
    verified,
)
from keeper.cli.options import DAY, AsJson, RecordId
from keeper.cli.output import console, pause_text, print_json, table_of
from keeper.cli.render import page
from keeper.domain.errors import BadInput
from keeper.runtime.table_files import write_table
from keeper.settings.load import load
from keeper.views.costs import TRADED_COSTS
from keeper.views.exported import (
    ATTEMPT_COLUMNS,
    COST_COLUMNS,
    SWAP_COLUMNS,
    attempt_row,
    cost_row,
    record_columns,
    record_row,
    swap_row,
)
from keeper.views.lines import pause_lines
from keeper.views.period_costs import COSTS, PERIOD_COSTS, Per
from keeper.views.record import RECORD
from keeper.views.status import RECORD_SUMMARY

app = typer.Typer(help="List, show, export and verify the decision records.", no_args_is_help=True)

RECORDS = (
    ("record", "{record_id:.12}"),
    ("started", "{started_at}"),
    ("mode", "{mode}"),
    ("outcome", "{outcome}"),
    ("reason", "{reason}"),
)
COSTS_OF_ASSETS = (
    ("asset", "{symbol}"),
    (">trades", "{trades}"),
    (">value USD", "{value_usd}"),
    (">pool fees", "{fees_bps}"),
    (">quoted", "{quoted_bps}"),
    (">simulated", "{simulated_bps}"),
    (">realised", "{realised_bps}"),
    (">worst", "{worst_bps}"),
)
PERIODS = (
    ("from", "{since}"),
    (">calls", "{calls}"),
    (">failed", "{failures}"),
    (">value USD", "{value_usd}"),
    (">gas ETH", "{gas_eth}"),
    (">gas", "{gas_usd}"),
    (">fees", "{fees_usd}"),
    (">slippage", "{slippage_usd}"),
    (">flash", "{flash_usd}"),
    (">total", "{total_usd}"),
)
FirstDay = Annotated[
    datetime | None, typer.Option("--from", help="First day, UTC. Default: all there are.", formats=DAY)
]
LastDay = Annotated[
    datetime | None, typer.Option("--to", help="Last day, UTC. Default: all there are.", formats=DAY)
]


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
    since: FirstDay = None,
    until: LastDay = None,
    swaps: Annotated[
        bool, typer.Option("--swaps", help="One row for each executed swap instead of each record.")
    ] = False,
    attempts: Annotated[
        bool, typer.Option("--attempts", help="One row for each signed transaction.")
    ] = False,
    daily_costs: Annotated[bool, typer.Option("--costs", help="One row for each day with a cost.")] = False,
) -> None:
    """Write records, swaps, attempts or costs to a file, one row each, oldest first. Columns: docs/json.md."""
    settings = load()
    begin, end = days(since, until)
    columns: tuple[str, ...]
    rows: Iterable[tuple[Any, ...]]
    with ExitStack() as opened:
        match _table(swaps=swaps, attempts=attempts, costs=daily_costs):
            case "swaps":
                columns, rows = SWAP_COLUMNS, map(swap_row, stored_swaps(settings, begin, end))
            case "attempts":
                columns = ATTEMPT_COLUMNS
                rows = map(attempt_row, stored_transactions(settings, begin, end))
            case "costs":
                columns = COST_COLUMNS
                rows = map(cost_row, stored_costs(settings, begin, end, per=Per.DAY).periods)
            case _:
                symbols = tuple(asset.symbol for asset in settings.assets)
                stored = opened.enter_context(stored_records(settings))
                columns = record_columns(symbols)
                rows = (record_row(record, symbols) for record in stored.between(begin, end))
        count = write_table(file, columns, rows)
    typer.echo(f"{count:,} rows in {file}")


def _table(**asked: bool) -> str | None:
    """The table of the one option that is set, None for the records. Raises BadInput for several."""
    names = [name for name, is_set in asked.items() if is_set]
    if len(names) > 1:
        raise BadInput(
            f"{' and '.join(f'--{name}' for name in names)} exclude each other",
            remedy="Write each table to a file of its own.",
        )
    return names[0] if names else None


@app.command()
def costs(
    since: FirstDay = None,
    until: LastDay = None,
    per: Annotated[Per, typer.Option("--per", help="Length of the periods, UTC.")] = Per.MONTH,
    as_json: AsJson = False,
) -> None:
    """Show what trading cost: each asset in bps of the value traded, each period's gas, fees and slippage in USD."""
    paid = stored_costs(load(), *days(since, until), per=per)
    if as_json:
        print_json(COSTS.json(paid))
    elif not paid.periods:
        console().print("The journal has no trades yet." if since is until is None else "No trades then.")
    else:
        console().print(
            table_of(TRADED_COSTS, paid.assets, COSTS_OF_ASSETS, title="Assets, bps of the value")
        )
        console().print(table_of(PERIOD_COSTS, paid.periods, PERIODS, title=f"Each {per}"))
        unmeasured = paid.total.unmeasured if paid.total is not None else 0
        if unmeasured:
            console().print(
                f"Calls without recorded swaps: {unmeasured}. Of these only the gas is in the sums."
            )


@app.command()
def verify() -> None:
    """Recompute the hash chain over every row of every table. Names a changed row and ends with exit code 7."""
    typer.echo(f"{verified(load()):,} entries, every row as it was written")

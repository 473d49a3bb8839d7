"""``keeper journal``: what the keeper saw, concluded and did."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="List, show and verify the decision records.", no_args_is_help=True)

MOST_LEGS = 100_000
"""More than years of trading."""
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command("list")
def list_records(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest records, one line each."""
    from keeper.app.queries import pauses, stored_records
    from keeper.settings.load import load

    settings = load()
    with stored_records(settings) as stored:
        records = stored.latest(limit)
    if as_json:
        from keeper.cli.as_json import dumped

        typer.echo(
            dumped(
                {
                    "records": [
                        {
                            "record_id": record.record_id,
                            "started_at": record.started_at,
                            "mode": record.mode.value,
                            "outcome": record.outcome.value,
                            "summary": record.summary,
                            "exit_code": record.exit_code,
                        }
                        for record in records
                    ]
                }
            )
        )
        return
    from rich.table import Table

    from keeper.cli.pause_state import pause_line
    from keeper.cli.render import console
    from keeper.cli.words import moment

    console().print(pause_line(pauses(settings)))
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in ("record", "started", "mode", "outcome"):
        table.add_column(heading, no_wrap=True)
    table.add_column("why")
    for record in records:
        table.add_row(
            record.record_id[:12],
            moment(record.started_at),
            record.mode.value,
            record.outcome.value,
            record.summary,
        )
    console().print(table if records else "The journal has no records yet.")


@app.command()
def show(
    record_id: Annotated[str, typer.Argument(help="The record's id, or its first characters.")],
    as_json: AsJson = False,
) -> None:
    """One record as it was on screen, with every bound and provenance."""
    from keeper.app.queries import stored_records
    from keeper.settings.load import load

    with stored_records(load()) as stored:
        record = stored.record(record_id)
    if as_json:
        from keeper.cli.as_json import dumped, record_object

        typer.echo(dumped(record_object(record)))
        return
    from keeper.cli.render import console, page

    console().print(page(record, verbose=True))


@app.command()
def costs(as_json: AsJson = False) -> None:
    """What trading each asset cost: quoted, simulated, realised, in bps of the value traded."""
    from dataclasses import asdict

    from keeper.app.queries import stored_legs
    from keeper.cli.costs import costs_table, traded_costs
    from keeper.settings.load import load

    settings = load()
    found = traded_costs(stored_legs(settings, MOST_LEGS), tuple(asset.symbol for asset in settings.assets))
    if as_json:
        from keeper.cli.as_json import dumped

        typer.echo(dumped({"assets": [asdict(one) for one in found]}))
        return
    from keeper.cli.render import console

    console().print(costs_table(found) if found else "The journal tells of no trade yet.")


@app.command()
def verify() -> None:
    """Recompute the hash chain over every row of every table. What was changed is named; exit code 7."""
    from keeper.app.queries import verified
    from keeper.settings.load import load

    typer.echo(f"{verified(load()):,} entries, every row as it was written")

"""``keeper replay``: the same inputs through the same functions."""

from __future__ import annotations

import typer

from keeper.app.queries import replayed
from keeper.cli.options import RecordId
from keeper.settings.load import load

DIFFERS = 4


def replay(record_id: RecordId) -> None:
    """Recompute a stored record offline and compare every bit. Sends nothing. Exit code 4 if anything differs."""
    result = replayed(load(), record_id)
    if result.same:
        typer.echo(f"record {result.record_id[:12]}: the same to the last bit")
        return
    typer.echo(f"record {result.record_id[:12]} differs:")
    for difference in result.differences:
        typer.echo(f"- {difference}")
    raise typer.Exit(DIFFERS)

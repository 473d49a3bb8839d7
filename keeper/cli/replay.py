"""``keeper replay``: the same inputs through the same functions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keeper.app.queries import replayed
from keeper.app.saved import replayed_file
from keeper.settings.load import load

DIFFERS = 4


def replay(
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD|FILE", help="Id of a stored record, or its first characters; or a file of --save."
        ),
    ],
) -> None:
    """Recompute a record offline and compare every bit. Sends nothing. Exit code 4 if anything differs."""
    file = Path(record)
    result = replayed_file(file) if file.is_file() else replayed(load(), record)
    if result.same:
        typer.echo(f"record {result.record_id[:12]}: the same to the last bit")
        return
    typer.echo(f"record {result.record_id[:12]} differs:")
    for difference in result.differences:
        typer.echo(f"- {difference}")
    raise typer.Exit(DIFFERS)

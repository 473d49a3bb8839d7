"""``keeper replay``: the same inputs through the same functions."""

from __future__ import annotations

from typing import Annotated

import typer

DIFFERS = 4


def replay(
    record_id: Annotated[str, typer.Argument(help="The record's id, or its first characters.")],
) -> None:
    """Conclude again from a stored record, offline, and compare bit by bit. Sends nothing."""
    from keeper.app.queries import replayed
    from keeper.settings.load import load

    result = replayed(load(), record_id)
    if result.same:
        typer.echo(f"record {result.record_id[:12]}: the same to the last bit")
        return
    typer.echo(f"record {result.record_id[:12]} differs:")
    for difference in result.differences:
        typer.echo(f"- {difference}")
    raise typer.Exit(DIFFERS)

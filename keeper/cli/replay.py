"""``keeper replay``: the same inputs through the same functions."""

from __future__ import annotations

from typing import Annotated

import typer


def replay(
    record_id: Annotated[str, typer.Argument(help="The record's id, or its first characters.")],
) -> None:
    """Conclude again from a stored record, offline, and compare bit by bit. Sends nothing."""
    from keeper.bootstrap import open_journal
    from keeper.settings.load import load

    with open_journal(load()) as journal:
        difference = journal.replay(record_id)
    typer.echo(difference)

"""``keeper pause`` and ``keeper resume``: the kill switch."""

from __future__ import annotations

from typing import Annotated

import typer

from keeper.app import operator
from keeper.cli.output import console, pause_text
from keeper.settings.load import load
from keeper.views.formats import moment
from keeper.views.lines import pause_lines

Reason = Annotated[
    str, typer.Option("--reason", help="The reason. Every screen shows it, the journal keeps it.")
]


def pause(reason: Reason) -> None:
    """Stop levering and routine rebalancing from the next decision on, also after a restart."""
    console().print(pause_text(pause_lines(operator.pause(load(), reason))))


def resume(reason: Reason) -> None:
    """Lift every pause of the journal and the pause file."""
    settings = load()
    screen = console()
    lifted = operator.resume(settings, reason)
    for pause in lifted:
        screen.print(
            f"Lifted: {pause.cause} since {moment(pause.since)}: {pause.reason or 'no reason given'}"
        )
    screen.print("not paused" if lifted else "Nothing was paused.")
    screen.print(
        "Only the vault's admin can lift a pause of the vault itself, on chain. `keeper status` shows it.",
        style="dim",
    )

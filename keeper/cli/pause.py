"""``keeper pause`` and ``keeper resume``: the kill switch."""

from __future__ import annotations

from typing import Annotated

import typer

Reason = Annotated[str, typer.Option("--reason", help="Why; it is shown on every screen and kept.")]


def pause(reason: Reason) -> None:
    """Stop levering and routine rebalancing, from the next decision on, also across restarts."""
    from keeper.app import operator
    from keeper.cli.pause_state import pause_line
    from keeper.cli.render import console
    from keeper.settings.load import load

    console().print(pause_line(operator.pause(load(), reason)))


def resume(reason: Reason) -> None:
    """Lift every pause of the journal and the pause file."""
    from keeper.app import operator
    from keeper.cli.render import console
    from keeper.cli.words import moment
    from keeper.settings.load import load

    settings = load()
    screen = console()
    lifted = operator.resume(settings, reason)
    for one in lifted:
        screen.print(f"Lifted: {one.cause} since {moment(one.since)}: {one.reason or 'no reason given'}")
    screen.print("not paused" if lifted else "Nothing was paused.")
    screen.print(
        "A pause of the vault itself is lifted on chain, by its admin: `keeper status` shows it.", style="dim"
    )

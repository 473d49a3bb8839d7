"""``keeper pause`` and ``keeper resume``: the kill switch."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from keeper.app import operator, pausing
from keeper.cli.output import console, facts, pause_text
from keeper.domain.errors import KeeperSilent
from keeper.settings.load import load
from keeper.views.formats import moment
from keeper.views.lines import pause_lines

Reason = Annotated[
    str, typer.Option("--reason", help="The reason. Every screen shows it, the journal keeps it.")
]


def pause(reason: Reason) -> None:
    """Stop levering and routine rebalancing from the next decision on, also after a restart.

    Exit code 3: the running keeper did not answer within 15 s, and the pause is written all the same; or the journal
    cannot be reached, so that the pause holds on this machine only.
    """
    screen = console()
    pauses, heard = pausing.pause(load(), reason)
    screen.print(pause_text(pause_lines(pauses)))
    _show(screen, heard)


def resume(reason: Reason) -> None:
    """Lift every pause of the journal and the pause file."""
    settings = load()
    screen = console()
    lifted, heard = operator.resume(settings, reason)
    for pause in lifted:
        screen.print(
            f"Lifted: {pause.cause} since {moment(pause.since)}: {pause.reason or 'no reason given'}"
        )
    screen.print("not paused" if lifted else "Nothing was paused.")
    screen.print(
        "Only the vault's admin can lift a pause of the vault itself, on chain. `keeper status` shows it.",
        style="dim",
    )
    _show(screen, heard, expects_answer=bool(lifted))


def _show(screen: Console, heard: pausing.Heard, *, expects_answer: bool = True) -> None:
    """What the command acted on, and whether a keeper knows. Raises Exit where one runs and did not answer."""
    rows = [("journal", heard.journal), ("vault", heard.vault or "not set")]
    silent = heard.unanswered and expects_answer
    if heard.here_only:
        rows.append(("pause file", heard.answer))
        rows.append(("to pause all", "Repeat the command on each machine, or where the journal answers."))
    elif heard.running is None:
        rows.append(("keeper", "none runs here with this journal; it holds from the next start on"))
    elif silent:
        rows.append(
            ("keeper", f"{heard.running}: NO ANSWER within {pausing.ACKNOWLEDGED_S:.0f} s. Look at it.")
        )
    elif heard.answer:
        rows.append(("keeper", f"acknowledged by {heard.answer}"))
    screen.print(facts(rows))
    if silent or heard.here_only:
        raise typer.Exit(KeeperSilent.exit_code)

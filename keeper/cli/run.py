"""``keeper run``: the daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from keeper.app.clocks import SystemClock
from keeper.app.composition import held_key
from keeper.app.monitors import monitors
from keeper.app.queries import pauses
from keeper.app.schedule import trigger_from
from keeper.app.standby import Standby, require_live, require_shared_journal
from keeper.app.terms import Process, Turns, run_alone
from keeper.chat.listener import chatting
from keeper.cli.password import ask_password
from keeper.cli.progress import print_progress
from keeper.domain.errors import JournalTooOld, JournalUnreadable, JournalUnwritable
from keeper.domain.record import Mode
from keeper.runtime.logs import configure
from keeper.settings.load import load
from keeper.settings.schema import Settings
from keeper.views.lines import BANNERS, pause_lines


def run(
    live: Annotated[
        bool, typer.Option("--live", help="Sign and send. Without it every cycle is a dry run.")
    ] = False,
    every: Annotated[
        str,
        typer.Option("--every", help="Interval (30s, 15min, 1h) or five cron fields in UTC ('5 * * * *')."),
    ] = "1h",
    standby: Annotated[
        bool,
        typer.Option(
            "--standby",
            help="One of several daemons on a journal in PostgreSQL acts; the others stand by and take over.",
        ),
    ] = False,
) -> None:
    """Run cycles on a schedule, one at a time, until Ctrl-C or SIGTERM. A dry run without --live."""
    trigger = trigger_from(every)
    mode = Mode.LIVE if live else Mode.DRY_RUN
    settings = load()
    if standby:
        require_live(live=live)
        require_shared_journal(settings)
    configure(settings.log_format, settings.log_level)
    word, meaning = BANNERS[mode]
    typer.echo(f"{word}: {meaning}. A cycle every {every}. Ctrl-C stops it.", err=True)
    _print_known_pauses(settings)
    with (
        monitors(settings) as watchers,
        chatting(settings) as chat,
        held_key(settings, mode, ask_password) as held,
    ):
        watchers.follow_chat(chat)
        process = Process(trigger, held, watchers=watchers, progress=print_progress)
        if standby:
            candidate = Standby(settings.lease_s, SystemClock().wait)
            watchers.read_lease(lambda: candidate.reading)
            code = Turns(process, settings, candidate).run()
        else:
            code = run_alone(process, settings)
    raise typer.Exit(code)


def _print_known_pauses(settings: Settings) -> None:
    """What is known before the journal is opened for writing: one of an older release is migrated only then."""
    try:
        lines = pause_lines(pauses(settings))
    except (JournalTooOld, JournalUnwritable, JournalUnreadable) as error:
        lines = f"Pauses are not known yet: {error.message}."
    # Not by rich, which other screens need: it would stay in the daemon's memory.
    typer.secho(lines or "not paused", err=True, bold=bool(lines), dim=not lines)

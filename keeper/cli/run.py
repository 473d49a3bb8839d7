"""``keeper run``: the daemon."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from typing import Annotated

import typer

from keeper.app.clocks import PreemptibleClock
from keeper.app.daemon import Daemon
from keeper.app.desk import OrderDesk
from keeper.app.monitors import monitors
from keeper.app.queries import pauses
from keeper.app.running import announcing
from keeper.app.schedule import trigger_from
from keeper.app.service import Service, serving
from keeper.app.start import when_possible
from keeper.chat.listener import chatting
from keeper.cli.output import console, pause_text
from keeper.cli.password import ask_password
from keeper.cli.progress import print_progress
from keeper.cli.render import BANNERS
from keeper.domain.record import Mode
from keeper.runtime.logs import configure
from keeper.settings.load import load
from keeper.views.lines import pause_lines


def run(
    live: Annotated[
        bool, typer.Option("--live", help="Sign and send. Without it every cycle is a dry run.")
    ] = False,
    every: Annotated[
        str,
        typer.Option("--every", help="Interval (30s, 15min, 1h) or five cron fields in UTC ('5 * * * *')."),
    ] = "1h",
) -> None:
    """Run cycles on a schedule, one at a time, until Ctrl-C or SIGTERM. A dry run without --live."""
    trigger = trigger_from(every)
    mode = Mode.LIVE if live else Mode.DRY_RUN
    settings = load()
    configure(settings.log_format, settings.log_level)
    word, meaning = BANNERS[mode]
    typer.echo(f"{word}: {meaning}. A cycle every {every}. Ctrl-C stops it.", err=True)
    console(to_stderr=True).print(pause_text(pause_lines(pauses(settings))))
    desk = OrderDesk(settings.journal_url, time.time)
    clock = PreemptibleClock(desk.wait)
    with monitors(settings) as watchers, chatting(settings) as chat, ExitStack() as stack:
        watchers.follow_chat(chat)

        def opened() -> AbstractContextManager[Service]:
            return serving(
                settings, mode, watchers, ask_password=ask_password, progress=print_progress, clock=clock
            )

        service = when_possible(stack, opened, watchers.observers, wait=desk.wait)
        stack.enter_context(announcing(settings, mode))
        running = service.in_force
        daemon = Daemon(running.keeper, mode, trigger, observers=running.observers, orders=desk)
        daemon.reload_with(service.reload)
        service.begin_watch(daemon.request_cycle)
        code = daemon.run()
    raise typer.Exit(code)

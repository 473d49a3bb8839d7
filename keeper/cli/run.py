"""``keeper run``: the daemon."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from typing import Annotated

import typer

from keeper.app.block_watch import BlockWatch, watch_settings
from keeper.app.clocks import PreemptibleClock
from keeper.app.composition import DaemonParts, build_daemon
from keeper.app.daemon import Daemon, trigger_from, when_possible
from keeper.app.desk import OrderDesk
from keeper.app.monitors import monitors
from keeper.app.queries import pauses
from keeper.app.running import announcing
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
    timer = PreemptibleClock(desk.wait)
    with monitors(settings) as observers, ExitStack() as stack:

        def opened() -> AbstractContextManager[DaemonParts]:
            return build_daemon(
                settings, mode, ask_password=ask_password, progress=print_progress, timer=timer
            )

        parts = when_possible(stack, opened, observers, wait=desk.wait)
        stack.enter_context(announcing(settings, mode))
        watch = BlockWatch(parts.looks, watch_settings(settings))
        daemon = Daemon(parts.keeper, mode, trigger, observers=(*observers, watch), orders=desk)
        stack.enter_context(watch.watching(daemon.request_cycle, time.monotonic))
        code = daemon.run()
    raise typer.Exit(code)

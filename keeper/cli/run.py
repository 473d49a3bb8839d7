"""``keeper run``: the daemon."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    live: Annotated[
        bool, typer.Option("--live", help="Sign and send. Without this word: a dry run, nothing is sent.")
    ] = False,
    every: Annotated[
        str,
        typer.Option("--every", help="Interval (30s, 15min, 1h) or cron fields in UTC ('5 * * * *')."),
    ] = "1h",
) -> None:
    """Run cycles on a schedule until told to stop: one at a time, late ones coalesce, Ctrl-C ends it."""
    from keeper.app.composition import build
    from keeper.app.daemon import Daemon, trigger_from
    from keeper.app.queries import pauses
    from keeper.cli.password import ask_password
    from keeper.cli.pause_state import pause_line
    from keeper.cli.progress import tell
    from keeper.cli.render import console
    from keeper.cli.words import BANNERS
    from keeper.domain.record import Mode
    from keeper.runtime.logs import configure
    from keeper.settings.load import load

    trigger = trigger_from(every)
    mode = Mode.LIVE if live else Mode.DRY_RUN
    settings = load()
    configure(settings.log_format, settings.log_level)
    word, meaning = BANNERS[mode]
    typer.echo(f"{word}: {meaning}. A cycle every {every}. Ctrl-C stops it.", err=True)
    console(to_stderr=True).print(pause_line(pauses(settings)))
    with build(settings, mode, ask_password=ask_password, progress=tell) as keeper:
        code = Daemon(keeper, mode, trigger).run()
    raise typer.Exit(code)

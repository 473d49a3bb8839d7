"""Puts the commands together, and turns every expected error into message, remedy and exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated

import typer

from keeper import __version__
from keeper.cli import (
    backtest,
    config,
    data,
    deleverage,
    doctor,
    evaluate,
    journal,
    pause,
    rebalance,
    replay,
    run,
    seal,
    status,
    sweep,
    unblock,
    vault,
)
from keeper.cli.failures import report
from keeper.domain.errors import KeeperError

app = typer.Typer(
    name="keeper",
    help="Holds an on-chain vault at leveraged risk parity. Nothing is sent without --execute or --live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug shows a plain traceback: no locals, no secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


INTERRUPTED = 130


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"keeper {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    del version


app.command("rebalance")(rebalance.rebalance)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.command("deleverage")(deleverage.deleverage)
app.command("unblock")(unblock.unblock)
app.command("seal")(seal.seal)
app.command("replay")(replay.replay)
app.command("backtest")(backtest.backtest)
app.command("sweep")(sweep.sweep)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(journal.app, name="journal")
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(vault.app, name="vault")
if find_spec("keeper.cli.devnet") is not None:
    from keeper.cli.devnet import devnet

    app.command("devnet")(devnet)
if find_spec("keeper.cli.demo") is not None:
    from keeper.cli.demo import demo

    app.command("demo")(demo)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``keeper`` command; always ends with SystemExit. Exit codes: docs/exit-codes.md."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=given)
    except KeeperError as error:
        sys.exit(report(error, as_json="--json" in given))
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo(
                "Interrupted. What was begun is written down; the next start goes on from there.", err=True
            )
        raise

"""Puts the commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from keeper import __version__
from keeper.cli import (
    backtest,
    config,
    data,
    deleverage,
    demo,
    devnet,
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

app = typer.Typer(
    name="keeper",
    help="Keep an on-chain vault at leveraged risk parity. Sends nothing without --execute or --live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug shows a plain traceback: no locals, no secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"keeper {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


for command in (
    rebalance.rebalance,
    run.run,
    status.status,
    doctor.doctor,
    pause.pause,
    pause.resume,
    deleverage.deleverage,
    unblock.unblock,
    seal.seal,
    replay.replay,
    backtest.backtest,
    sweep.sweep,
    evaluate.evaluate,
):
    app.command()(command)
for group in (journal, config, data, vault):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])
app.command()(devnet.devnet)
app.command()(demo.demo)

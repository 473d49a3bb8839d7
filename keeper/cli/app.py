"""Puts the commands together. A command's module is imported when it runs, so that ``keeper --help`` is fast."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from keeper import __version__
from keeper.runtime.shipped import shipped

COMMANDS = {
    "init": "Write the first settings for a vault.",
    "rebalance": "Run one cycle by hand.",
    "run": "Run cycles on a schedule: the daemon.",
    "status": "Show the vault as it is now, and the last record.",
    "explain": "Say why a cycle traded or held, or what a name means.",
    "doctor": "Check everything that can be wrong before the keeper runs.",
    "pause": "Stop levering and routine rebalancing.",
    "resume": "Lift every pause.",
    "information": "Show what the keeper knows and misses, and accept what is missing.",
    "deleverage": "Lower the debt by hand, now.",
    "unblock": "Show and cancel stuck transactions.",
    "seal": "Approve program, ABIs and settings as they are now.",
    "replay": "Recompute a record and compare every bit.",
    "backtest": "Show what the strategy would have done.",
    "sweep": "Judge many variants of the strategy out of sample.",
    "evaluate": "Compare risk estimators out of sample.",
    "journal": "List, show, export and verify the decision records.",
    "mcp": "Answer an assistant's questions, without a key.",
    "config": "Show the settings in force.",
    "data": "Fill, check and export the price history.",
    "vault": "Deploy a vault.",
    "devnet": "Run a local chain with the real protocols.",
    "demo": "Rebalance a vault on a local chain.",
}
"""The commands in the order of ``keeper --help``, and what it says of them. Each one's own help says more."""
MODULES = {"resume": "pause"}
"""The module of a command that has not its name."""


class _LateCommand(TyperCommand):
    """Stands for a command until it runs."""

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        return _loaded(str(self.name)).make_context(*arguments, **extra)


class _LateCommands(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: _LateCommand(name, help=text) for name, text in COMMANDS.items()}


def _loaded(name: str) -> Any:
    module = import_module(f"keeper.cli.{MODULES.get(name, name)}")
    if hasattr(module, "app"):
        return get_group(module.app)
    alone = typer.Typer(add_completion=False)
    alone.command()(getattr(module, name))
    return get_command(alone)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"keeper {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="keeper",
    cls=_LateCommands,
    help="Keep an on-chain vault at leveraged risk parity. Sends nothing without --execute or --live.",
    epilog=f"Messages name pages such as docs/settings.md: they are in {shipped()}.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug shows a plain traceback: no locals, no secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version

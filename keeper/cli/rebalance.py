"""``keeper rebalance``: one cycle by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keeper.app import saved
from keeper.app.composition import build
from keeper.cli.options import AsJson, Save, Simulate, Verbose
from keeper.cli.output import console, print_json
from keeper.cli.password import ask_password
from keeper.cli.progress import print_progress
from keeper.cli.render import page
from keeper.domain.errors import BadInput
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.record import DecisionRecord, Mode
from keeper.runtime.logs import configure
from keeper.settings.load import load
from keeper.views.record import RECORD


def rebalance(
    simulate: Simulate = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="Sign, send, wait until it is mined, and read the vault back.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    save: Save = None,
) -> None:
    """Run one cycle: read the vault and the market, decide, and show or send the transaction.

    One of --simulate and --execute is required.
    """
    mode = chosen_mode("keeper rebalance", simulate=simulate, execute=execute)
    raise typer.Exit(show(run_cycle(mode, save=save), as_json=as_json, verbose=verbose))


def run_cycle(
    mode: Mode, deleverage_request: DeleverageRequest | None = None, *, save: Path | None = None
) -> DecisionRecord:
    """One cycle, with everything that it needs opened and closed. ``save``: the file to keep it in."""
    settings = load()
    configure(settings.log_format, "warning")
    with build(settings, mode, ask_password=ask_password, progress=print_progress) as keeper:
        if save is None:
            return keeper.cycle(mode, deleverage_request)
        keeping, candles = saved.saving(keeper)
        record = keeping.cycle(mode, deleverage_request)
        saved.save(save, record, keeping, candles)
        return record


def show(record: DecisionRecord, *, as_json: bool, verbose: bool) -> int:
    """Prints the record as a page or as JSON; returns its exit code."""
    if as_json:
        print_json(RECORD.json(record))
    else:
        console(to_stderr=record.failure is not None).print(page(record, verbose=verbose))
    return record.exit_code


def chosen_mode(command: str, *, simulate: bool, execute: bool) -> Mode:
    """Raises BadInput unless exactly one of the two options was given."""
    if simulate == execute:
        given = "both --simulate and --execute" if simulate else "neither --simulate nor --execute"
        raise BadInput(
            f"{command} was given {given}",
            remedy="--simulate shows what would be done and changes nothing; --execute does it. "
            "Choose one of them. Nothing was started.",
        )
    return Mode.SIMULATE if simulate else Mode.EXECUTE

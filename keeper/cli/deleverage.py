"""``keeper deleverage``: lower the debt by hand, now."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from keeper.app import operator
from keeper.app.running import running_keeper
from keeper.cli.options import AsJson, Save, Simulate, Verbose
from keeper.cli.progress import print_progress
from keeper.cli.rebalance import chosen_mode, run_cycle, show
from keeper.domain.errors import AlreadyRunning, BadInput
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.record import DecisionRecord, Mode
from keeper.journal.databases import on_this_machine
from keeper.settings.load import load


def deleverage(
    simulate: Simulate = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="Sign and send it, also while the keeper is paused.")
    ] = False,
    to_health_factor: Annotated[
        float | None,
        typer.Option("--to-health-factor", help="Stop at this health factor. Without it all debt is repaid."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    save: Save = None,
) -> None:
    """Sell collateral and repay debt now, with the limits of an emergency and under the vault's own limits.

    One of --simulate and --execute is required. While `keeper run --live` runs, it carries out the order; without it
    this command sends itself.
    """
    target = math.inf if to_health_factor is None else to_health_factor
    if not target > 1:
        raise BadInput(
            f"--to-health-factor {target:g}: a position is liquidated at 1 and below",
            remedy="Name a health factor above 1, or leave the option out to repay all debt.",
        )
    mode = chosen_mode("keeper deleverage", simulate=simulate, execute=execute)
    if save is not None and execute:
        raise BadInput(
            f"--save {save}: an executed order is a record of the journal",
            remedy="Save a --simulate instead.",
        )
    record = _carried_out(mode, DeleverageRequest(target, "by hand"), save)
    raise typer.Exit(show(record, as_json=as_json, verbose=verbose))


def _carried_out(mode: Mode, request: DeleverageRequest, save: Path | None) -> DecisionRecord:
    if not mode.sends:
        return run_cycle(mode, request, save=save)
    settings = load()
    running = running_keeper(settings)
    if running is None:
        try:
            return run_cycle(mode, request)
        except AlreadyRunning:
            if on_this_machine(settings.journal_url):
                raise
            # The keeper that holds the database's lock runs on another machine.
            return operator.ordered(settings, request, print_progress)
    if not running.sends:
        raise AlreadyRunning(
            f"{running} holds the journal and sends nothing",
            remedy="Stop the dry run and repeat: this command then sends itself.",
        )
    print_progress(f"to the running keeper: {running}")
    return operator.ordered(settings, request, print_progress)

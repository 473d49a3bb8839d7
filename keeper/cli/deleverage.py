"""``keeper deleverage``: lower the debt by hand, now."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from keeper.cli.options import AsJson, Simulate, Verbose
from keeper.cli.rebalance import chosen_mode, run_cycle, show
from keeper.domain.errors import BadInput
from keeper.domain.pause_state import DeleverageRequest


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
) -> None:
    """Sell collateral and repay debt now, with the limits of an emergency and under the vault's own limits.

    One of --simulate and --execute is required.
    """
    target = math.inf if to_health_factor is None else to_health_factor
    if not target > 1:
        raise BadInput(
            f"--to-health-factor {target:g}: a position is liquidated at 1 and below",
            remedy="Name a health factor above 1, or leave the option out to repay all debt.",
        )
    mode = chosen_mode("keeper deleverage", simulate=simulate, execute=execute)
    record = run_cycle(mode, DeleverageRequest(target, "by hand"))
    raise typer.Exit(show(record, as_json=as_json, verbose=verbose))

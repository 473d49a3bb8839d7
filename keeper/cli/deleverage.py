"""``keeper deleverage``: lower the debt by hand, now."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from keeper.domain.errors import BadInput


def deleverage(
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Show what would be done; signs nothing, changes nothing.")
    ] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Do it, also while paused.")] = False,
    to_health_factor: Annotated[
        float | None,
        typer.Option("--to-health-factor", help="Stop there. Without it: repay all debt."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also every bound on leverage, and where volatilities are from.")
    ] = False,
) -> None:
    """Sell collateral and repay debt as in an emergency: above every planned trade, under the vault's own limits."""
    from keeper.cli.rebalance import mode_of, run_cycle, show
    from keeper.domain.pause_state import DeleverageRequest

    wanted = math.inf if to_health_factor is None else to_health_factor
    if not wanted > 1:
        raise BadInput(
            f"--to-health-factor {wanted:g}: at 1 and below a position is liquidated",
            remedy="Name a health factor above 1, or leave it out to repay everything.",
        )
    mode = mode_of("keeper deleverage", simulate=simulate, execute=execute)
    record = run_cycle(mode, DeleverageRequest(wanted, "by hand"))
    raise typer.Exit(show(record, as_json=as_json, verbose=verbose))

"""``keeper rebalance``: one cycle by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from keeper.domain.errors import BadInput

if TYPE_CHECKING:
    from keeper.domain.pause_state import DeleverageRequest
    from keeper.domain.record import DecisionRecord, Mode


def rebalance(
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Show what would be done; signs nothing, changes nothing.")
    ] = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it: sign, send, wait, and read the result back.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also every bound on leverage, and where volatilities are from.")
    ] = False,
) -> None:
    """Look once, decide, and show or make the transaction. Says --simulate or --execute, or does nothing."""
    mode = mode_of("keeper rebalance", simulate=simulate, execute=execute)
    raise typer.Exit(show(run_cycle(mode), as_json=as_json, verbose=verbose))


def run_cycle(mode: Mode, deleverage_request: DeleverageRequest | None = None) -> DecisionRecord:
    """One cycle with everything that it needs opened and closed."""
    from keeper.app.composition import build
    from keeper.cli.password import ask_password
    from keeper.cli.progress import tell
    from keeper.runtime.logs import configure
    from keeper.settings.load import load

    settings = load()
    configure(settings.log_format, "warning")
    with build(settings, mode, ask_password=ask_password, progress=tell) as keeper:
        return keeper.cycle(mode, deleverage_request)


def show(record: DecisionRecord, *, as_json: bool, verbose: bool) -> int:
    """The record on the screen, or as an object; returns its exit code."""
    if as_json:
        from keeper.cli.as_json import dumped, record_object

        typer.echo(dumped(record_object(record)))
    else:
        from keeper.cli.render import console, page

        console(to_stderr=record.failure is not None).print(page(record, verbose=verbose))
    return record.exit_code


def mode_of(command: str, *, simulate: bool, execute: bool) -> Mode:
    """Raises BadInput unless exactly one of the two words was said."""
    if simulate == execute:
        given = "both --simulate and --execute" if simulate else "neither --simulate nor --execute"
        raise BadInput(
            f"{command} was given {given}",
            remedy="--simulate shows what would be done and changes nothing; --execute does it. "
            "Say one of them. Nothing was started.",
        )
    from keeper.domain.record import Mode

    return Mode.SIMULATE if simulate else Mode.EXECUTE

"""``keeper doctor``: everything that can be wrong before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from keeper.doctor.diagnosis import Diagnosis

NAME_WIDTH = 18
STYLES = {"OK": "green", "WARNING": "yellow", "FAILED": "bold red", "SKIPPED": "dim"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Check settings, key, journal, node, contracts, roles, gas, eMode, feeds, history and options. Changes nothing.

    The exit code is that of the first thing that is wrong, 0 when nothing is.
    """
    from keeper.doctor.examine import examine

    found: list[Diagnosis] = []
    if as_json:
        from keeper.cli.as_json import dumped

        found = list(examine())
        lines = [
            {"name": one.name, "status": one.status.name, "detail": one.detail, "remedy": one.remedy}
            for one in found
        ]
        typer.echo(dumped({"checks": lines, "exit_code": _code(found)}))
        raise typer.Exit(_code(found))
    from keeper.cli.render import console

    screen = console()
    for one in examine():
        found.append(one)
        screen.print(_row(one))
    raise typer.Exit(_code(found))


def _row(one: Diagnosis) -> Table:
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    row.add_column(width=1)
    row.add_column(width=NAME_WIDTH)
    row.add_column()
    detail = Text(one.detail)
    if one.remedy:
        detail.append(f"\n{one.remedy}", style="bold")
    row.add_row(Text(one.status.value, style=STYLES[one.status.name]), one.name, detail)
    return row


def _code(found: list[Diagnosis]) -> int:
    return next((one.exit_code for one in found if one.exit_code), 0)

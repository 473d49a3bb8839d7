"""``keeper doctor``: everything that can be wrong before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from keeper.doctor import Diagnosis


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Check settings, key, journal, node, contracts, roles, gas, feeds, history and options. Changes nothing.

    The exit code is that of the first thing that is wrong, 0 when nothing is.
    """
    from keeper.doctor import examine

    found: list[Diagnosis] = []
    if as_json:
        from keeper.cli.as_json import dumped

        found = list(examine())
        lines = [
            {"name": one.name, "mark": one.mark.name, "detail": one.detail, "remedy": one.remedy}
            for one in found
        ]
        typer.echo(dumped({"checks": lines, "exit_code": _code(found)}))
        raise typer.Exit(_code(found))
    from rich.text import Text

    from keeper.cli.render import console

    screen = console()
    styles = {"✓": "green", "!": "yellow", "✗": "bold red", "–": "dim"}
    for one in examine():
        found.append(one)
        screen.print(
            Text.assemble((f"{one.mark.value} ", styles[one.mark.value]), f"{one.name:<19}{one.detail}")
        )
        if one.remedy:
            screen.print(Text(f"{'':<21}{one.remedy}", style="bold"))
    raise typer.Exit(_code(found))


def _code(found: list[Diagnosis]) -> int:
    return next((one.exit_code for one in found if one.exit_code), 0)

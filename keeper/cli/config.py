"""``keeper config``: the settings in force."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Show the settings in force.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``show`` a word of its own."""


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Every setting, its value and where it is from. Secrets are hidden."""
    from keeper.settings.show import shown
    from keeper.settings.to_domain import settings_hash

    settings, rows = shown()
    digest = settings_hash(settings)
    if as_json:
        from keeper.cli.as_json import dumped

        entries = {row.field: {"value": row.value, "origin": row.origin} for row in rows}
        typer.echo(dumped({"settings_hash": digest, "settings": entries}))
        return
    from rich.table import Table

    from keeper.cli.render import console

    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", style="dim", overflow="fold")
    for row in rows:
        table.add_row(row.field, row.value, row.origin)
    screen = console()
    screen.print(table)
    screen.print(f"\nsettings hash {digest}")

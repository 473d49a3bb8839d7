"""``keeper config``: the settings in force."""

from __future__ import annotations

import typer

from keeper.cli.options import AsJson
from keeper.cli.output import print_json
from keeper.settings.policy import settings_hash
from keeper.settings.show import settings_with_rows

app = typer.Typer(help="Show the settings in force.", no_args_is_help=True)


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show every setting, its value and where it comes from. Secrets are hidden."""
    settings, rows = settings_with_rows()
    digest = settings_hash(settings)
    if as_json:
        entries = {row.field: {"value": row.value, "origin": row.origin} for row in rows}
        print_json({"settings_hash": digest, "settings": entries})
        return
    # Plain lines, not a table: a table would break addresses at the terminal's width, and they could not be copied.
    names, values = (max(len(getattr(row, part)) for row in rows) for part in ("field", "value"))
    values = min(values, 40)
    for row in rows:
        typer.echo(f"{row.field:<{names}}  {row.value:<{values}}  {row.origin}")
    typer.echo(f"\nsettings hash {digest}")

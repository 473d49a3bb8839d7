"""``keeper doctor``: everything that can be wrong before the keeper runs."""

from __future__ import annotations

import typer
from rich.table import Table
from rich.text import Text

from keeper.cli.options import AsJson
from keeper.cli.output import console, print_json
from keeper.doctor.diagnosis import Diagnosis
from keeper.doctor.examine import examine

NAME_WIDTH = 18
STYLES = {"OK": "green", "WARNING": "yellow", "FAILED": "bold red", "SKIPPED": "dim"}


def doctor(as_json: AsJson = False) -> None:
    """Check settings, key, journal, node, contracts, roles, gas, eMode, feeds, history and options.

    It changes nothing. The exit code is that of the first check that fails, or 0.
    """
    diagnoses: list[Diagnosis] = []
    screen = console()
    for diagnosis in examine():
        diagnoses.append(diagnosis)
        if not as_json:
            screen.print(_row(diagnosis))
    code = next((diagnosis.exit_code for diagnosis in diagnoses if diagnosis.exit_code), 0)
    if as_json:
        checks = [
            {"name": it.name, "status": it.status.name, "detail": it.detail, "remedy": it.remedy}
            for it in diagnoses
        ]
        print_json({"checks": checks, "exit_code": code})
    raise typer.Exit(code)


def _row(diagnosis: Diagnosis) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=1)
    row.add_column(width=NAME_WIDTH)
    row.add_column()
    detail = Text(diagnosis.detail)
    if diagnosis.remedy:
        detail.append(f"\n{diagnosis.remedy}", style="bold")
    row.add_row(Text(diagnosis.status.value, style=STYLES[diagnosis.status.name]), diagnosis.name, detail)
    return row

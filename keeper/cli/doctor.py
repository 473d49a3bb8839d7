"""``keeper doctor``: everything that can be wrong before the keeper runs."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keeper.cli.options import AsJson
from keeper.cli.output import console, print_json
from keeper.doctor.capabilities import CAPABILITIES, NodeCapabilities
from keeper.doctor.diagnosis import Diagnosis
from keeper.doctor.examine import examine

NAME_WIDTH = 18
METHOD_WIDTH = 28
STYLES = {"OK": "green", "WARNING": "yellow", "FAILED": "bold red", "SKIPPED": "dim"}


def doctor(as_json: AsJson = False) -> None:
    """Check settings, key, journal, node, contracts, the vault's rules, gas, eMode, feeds, history and options.

    It changes nothing. The exit code is that of the first check that fails, or 0.
    """
    diagnoses: list[Diagnosis] = []
    screen = console()
    for diagnosis in examine():
        diagnoses.append(diagnosis)
        if not as_json:
            screen.print(_row(diagnosis))
            if diagnosis.nodes:
                screen.print(_matrix(diagnosis.nodes))
    code = next((diagnosis.exit_code for diagnosis in diagnoses if diagnosis.exit_code), 0)
    if as_json:
        checks = [
            {"name": it.name, "status": it.status.name, "detail": it.detail, "remedy": it.remedy}
            for it in diagnoses
        ]
        nodes = [
            {
                "endpoint": node.endpoint,
                "client": node.client,
                "fee_cap": node.fee_cap,
                "methods": {each.name: node.status(each).name for each in CAPABILITIES},
                "refusals": node.refusals,
            }
            for diagnosis in diagnoses
            for node in diagnosis.nodes
        ]
        print_json({"checks": checks, "nodes": nodes, "exit_code": code})
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


def _matrix(nodes: Sequence[NodeCapabilities]) -> Group:
    """A line for each node, and a row for each method with a mark for each node. It fits 80 columns with six nodes."""
    lines = [
        Text(f"  {place} {node.endpoint}: {node.client.split('/linux')[0]}; fee cap {node.fee_cap}")
        for place, node in enumerate(nodes, start=1)
    ]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    for _ in nodes:
        table.add_column(width=1)
    table.add_column(width=METHOD_WIDTH)
    table.add_column()
    table.add_row("", *(str(place) for place in range(1, len(nodes) + 1)), "", "")
    for each in CAPABILITIES:
        marks = [Text(node.status(each).value, style=STYLES[node.status(each).name]) for node in nodes]
        lacked = any(each.name in node.refusals for node in nodes)
        table.add_row("", *marks, each.name, each.without if lacked else "")
    return Group(*lines, table)

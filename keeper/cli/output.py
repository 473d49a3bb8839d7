"""Where commands print: a console and tables for people, JSON for machines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keeper.views.view import Item, View, finite

PIPED_WIDTH = 100
STYLES = {
    "quiet": "dim",
    "pass": "green",
    "WARN": "yellow",
    "fired": "bold yellow",
    "no buying": "yellow",
    "STOP": "bold red",
    "STALE": "bold red",
    "SUSPECT": "bold red",
    "DEAD": "bold red",
}
"""Style of a table cell that has this word."""


def console(*, to_stderr: bool = False) -> Console:
    """For people: coloured on a terminal; plain in a pipe, as wide as COLUMNS says, or 100."""
    screen = Console(stderr=to_stderr, highlight=False)
    if not screen.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        screen.width = PIPED_WIDTH
    return screen


def print_json(value: Any) -> None:
    """One object on standard output. NaN and infinity become null."""
    typer.echo(json.dumps(finite(value), indent=2, allow_nan=False, ensure_ascii=False))


def plain_table(*headings: str, title: str = "") -> Table:
    """A table without lines. A heading that begins with ">" is of a column of numbers; the last of the others wraps."""
    table = Table(
        title=f"\n{title}" if title else None, title_justify="left", box=None, pad_edge=False, padding=(0, 1)
    )
    for place, heading in enumerate(headings, start=1):
        if heading.startswith(">"):
            table.add_column(heading[1:], justify="right", no_wrap=True)
        else:
            table.add_column(heading, no_wrap=place < len(headings), overflow="fold")
    return table


def table_of(
    view: View[Item], items: Iterable[Item], columns: Sequence[tuple[str, str]], *, title: str = ""
) -> Table:
    """A row for each item. ``columns`` are headings of ``plain_table`` and templates of ``View.text``."""
    table = plain_table(*(heading for heading, _ in columns), title=title)
    for item in items:
        table.add_row(*(_cell(view.text(item, template)) for _, template in columns))
    return table


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and values, without headings."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    return table


def pause_text(lines: str) -> Text:
    """``lines`` of keeper.views.lines.pause_lines, for the top of a screen."""
    return Text(lines, style="bold yellow") if lines else Text("not paused", style="dim")


def _cell(text: str) -> Text:
    style = next((STYLES[word] for word in text.split() if word in STYLES), "")
    return Text(text.strip(), style=style)

"""A table of the page: the texts of a view's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keeper.views.view import Item, View

MARKS = {
    "STOP": "bad",
    "no buying": "warn",
    "WARN": "warn",
    "STALE": "bad",
    "SUSPECT": "bad",
    "DEAD": "bad",
    "quiet": "soft",
    "pass": "good",
    "FRESH": "good",
}
"""Class of a cell that has this word."""


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """``mark`` is a class of the stylesheet, empty for none."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class PageTable:
    """``title`` is read out before the table."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def table_of(
    view: View[Item], items: Iterable[Item], columns: Sequence[tuple[str, str]], *, title: str
) -> PageTable:
    """``columns`` are those of ``keeper.views.columns``."""
    return PageTable(
        title=title,
        columns=tuple(
            Column(" ".join(heading.removeprefix(">").split()) or "detail", heading.startswith(">"))
            for heading, _ in columns
        ),
        rows=tuple(tuple(_cell(view.text(item, template)) for _, template in columns) for item in items),
    )


def _cell(text: str) -> Cell:
    return Cell(text, MARKS.get(text, "warn" if text.startswith("fired") else ""))

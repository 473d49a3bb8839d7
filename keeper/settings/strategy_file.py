"""The text of keeper.toml, from the declarations: every default with its meaning."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from keeper.settings.declarations import heading, literals
from keeper.settings.fields import nested_table
from keeper.settings.schema import STRATEGY, Settings

PREAMBLE = """\
# The strategy: what to hold, when to trade, at what cost. Written by `make settings` from keeper/settings.
# Every value is the default and may be left out. Endpoints and secrets are in the environment: .env.example.
# Volatilities, rates, bands and shares are fractions (0.80 is 80 %). Times (_s) are seconds.
# The vault's own limits win where they are tighter. Every setting with its range: docs/settings.md.
# The values in force, and where each is from: keeper config show
"""
WIDTH, COMMENT_COLUMN = 120, 40
DURATIONS = ((86_400, "day"), (3_600, "hour"))


def strategy_file(settings: Settings | None = None, preamble: str = PREAMBLE) -> str:
    """The shipped keeper.toml; with ``settings`` theirs."""
    shown = settings if settings is not None else Settings.model_construct()
    return "\n".join([preamble, *_StrategyFile().lines(shown)]).rstrip() + "\n"


def toml_value(value: Any) -> str:
    """A setting's value as TOML spells it."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{toml_value(key)} = {toml_value(part)}" for key, part in value.items()) + " }"
        )
    return f"{value:_}" if abs(value) >= 10_000 else str(value)


class _StrategyFile:
    """Lines of TOML. Headings and meanings are written where a table's class comes for the first time."""

    def __init__(self) -> None:
        self._explained: set[type[BaseModel]] = set()

    def lines(self, settings: Settings) -> Iterator[str]:
        for name in STRATEGY:
            yield from self._entry(name, Settings.model_fields[name], getattr(settings, name))

    def _entry(self, path: str, field: FieldInfo, value: Any) -> Iterator[str]:
        """One table, or every table of a list. Of an empty list the example, commented out."""
        if isinstance(value, BaseModel):
            yield from self._table(path, value, f"[{path}]")
        for table in value if isinstance(value, tuple) else ():
            yield from self._table(path, table, f"[[{path}]]")
        if not value:
            for table in field.examples or ():
                yield from map(_commented, self._table(path, table, f"[[{path}]]"))

    def _table(self, path: str, table: BaseModel, header: str) -> Iterator[str]:
        kind = type(table)
        nested = {name: field for name, field in kind.model_fields.items() if nested_table(field) is not None}
        if len(nested) < len(kind.model_fields):
            if kind not in self._explained:
                yield f"# {'' if '.' in path else '---------------- '}{heading(kind)}"
            yield header
            yield from self._settings(table)
            yield ""
        self._explained.add(kind)
        for name, field in nested.items():
            yield from self._entry(f"{path}.{name}", field, getattr(table, name))

    def _settings(self, table: BaseModel) -> Iterator[str]:
        kind = type(table)
        for name, field in kind.model_fields.items():
            if nested_table(field) is not None:
                continue
            if kind not in self._explained:
                yield from _explained_setting(name, field, getattr(table, name))
            elif name in table.model_fields_set:
                yield f"{name} = {toml_value(getattr(table, name))}"


def _explained_setting(name: str, field: FieldInfo, value: Any) -> Iterator[str]:
    """The assignment and its meaning beside it, or above it where there is no space. Without a value an example."""
    if field.title is not None:
        yield ""
        yield f"# {field.title}"
    shown = value if value is not None else (field.examples or ["?"])[0]
    assignment = f"{'#' if value is None else ''}{name} = {toml_value(shown)}"
    meaning = textwrap.wrap(_meaning(name, field, shown), WIDTH - COMMENT_COLUMN - 2)
    if len(assignment) >= COMMENT_COLUMN:
        yield from (f"# {line}" for line in meaning)
        yield assignment
        return
    yield f"{assignment:<{COMMENT_COLUMN}}# {meaning[0]}"
    yield from (f"{'':<{COMMENT_COLUMN}}# {line}" for line in meaning[1:])


def _commented(line: str) -> str:
    """The line as a comment; its own comment stays in its column."""
    return line if not line or line.startswith(("#", " ")) else f"#{line}".replace("  # ", " # ", 1)


def _meaning(name: str, field: FieldInfo, value: Any) -> str:
    """The description, with the words that the setting may be, or its seconds in days."""
    words = [word for word in literals(field.annotation) if isinstance(word, str)]
    if words and get_origin(field.annotation) is not tuple:
        return f"{field.description}: {', '.join(words)}"
    if name.endswith("_s"):
        for seconds, unit in DURATIONS:
            if value >= seconds and value % seconds == 0:
                count = value // seconds
                return f"{count} {unit}{'s' if count > 1 else ''}: {field.description}"
    return str(field.description)

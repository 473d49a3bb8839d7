"""The tables of docs/settings.md, from the declarations: default, range and meaning of every setting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo

from keeper.settings.changes import start_only
from keeper.settings.declarations import heading, literals
from keeper.settings.fields import nested_table, setting_fields, variable
from keeper.settings.schema import STRATEGY, Settings

BEGIN, END = "<!-- {}: written by `make settings` -->\n", "<!-- end of {} -->"


def settings_page(text: str) -> str:
    """``text`` with its tables renewed; the prose around them stays. Raises ValueError without their marks."""
    tables = {"environment": _environment(), "start": _start(), "strategy": _strategy()}
    for name, table in tables.items():
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        if not end:
            raise ValueError(
                f"the settings page has no {BEGIN.format(name).strip()} or no {END.format(name)}"
            )
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def _environment() -> str:
    rows = [
        _row(variable(name), field, field.default)
        for name, field in setting_fields()
        if name in Settings.model_fields and name not in STRATEGY
    ]
    return _table("variable", rows)


def _start() -> str:
    """What a running keeper does not change, one line for each reason."""
    names: dict[str, list[str]] = {}
    for name, why in start_only():
        names.setdefault(why, []).append(f"`{variable(name)}`")
    return "".join(f"- {', '.join(each)}: {why}\n" for why, each in names.items())


def _strategy() -> str:
    """A heading and a table of rows for each table of the strategy."""
    return "\n".join(
        f"### `{table}`: {_linked(_heading_of(table))}\n\n{_table('setting', list(_rows_of(table)))}"
        for table in STRATEGY
    )


def _heading_of(table: str) -> str:
    kind = nested_table(Settings.model_fields[table])
    assert kind is not None, "every field of the strategy is a table"
    return heading(kind)


def _rows_of(table: str) -> Iterator[str]:
    """An entry of a list has its field's default. A single table may set values of its own, as each urgency does."""
    defaults = Settings.model_construct()
    for name, field in setting_fields():
        if name.split(".")[0].removesuffix("[]") != table:
            continue
        value: Any = defaults
        for part in name.split("."):
            value = field.default if "[]" in name else getattr(value, part)
        yield _row(name, field, value)


def _table(first_column: str, rows: Sequence[str]) -> str:
    return "".join(
        f"{row}\n"
        for row in (f"| {first_column} | default | allowed | meaning |", "|---|---|---|---|", *rows)
    )


def _row(name: str, field: FieldInfo, default: Any) -> str:
    meaning = _linked(str(field.description))
    return f"| `{name}` | {_default(field, default)} | {allowed(field)} | {meaning} |"


def _linked(text: str) -> str:
    """Pages named as from the root of the checkout, as links from this page."""
    return re.sub(r"\bdocs/([a-z-]+\.md)", r"[\1](\1)", text)


def _default(field: FieldInfo, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value)
    if field.is_required() and not isinstance(value, int | float):
        return "required"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def allowed(field: FieldInfo) -> str:
    """The values that a setting may have: words, or the range of a number; of a list how many, and each one's."""
    words = [f"`{word}`" for word in literals(field.annotation)]
    if field.annotation is bool:
        return "`true`, `false`"
    if get_origin(field.annotation) is not tuple:
        return ", ".join(words) or _range(_constraints(field.annotation, field.metadata))
    each = ", ".join(words) or _range(_constraints(get_args(field.annotation)[0], ()))
    return ", ".join(part for part in (_count(field.metadata), f"each {each}" if each else "") if part)


def _constraints(annotation: Any, metadata: Sequence[Any]) -> list[Any]:
    """Those of the field, and of the parts of its annotation."""
    constraints = list(metadata)
    for part in (annotation, *get_args(annotation)):
        for constraint in getattr(part, "__metadata__", ()):
            constraints.extend(constraint.metadata if isinstance(constraint, FieldInfo) else [constraint])
    return constraints


def _range(constraints: Sequence[Any]) -> str:
    bounds = []
    for constraint in constraints:
        match constraint:
            case Gt(gt=bound):
                bounds.append(f"> {bound}")
            case Ge(ge=bound):
                bounds.append(f"≥ {bound}")
            case Lt(lt=bound):
                bounds.append(f"< {bound}")
            case Le(le=bound):
                bounds.append(f"≤ {bound}")
    return ", ".join(bounds)


def _count(constraints: Sequence[Any]) -> str:
    fewest = next((each.min_length for each in constraints if isinstance(each, MinLen)), 0)
    most = next((each.max_length for each in constraints if isinstance(each, MaxLen)), None)
    if most is None:
        return f"at least {fewest}" if fewest else ""
    return f"{fewest}" if fewest == most else f"{fewest} to {most}"

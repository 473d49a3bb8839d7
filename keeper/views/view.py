"""A view: the named fields of a value. Its JSON, its texts and its selections for a log line come from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import Formatter
from typing import Any, Generic, TypeVar

from keeper.views.formats import UNKNOWN, Format

Item = TypeVar("Item")
LOGGED_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Field(Generic[Item]):
    """``source`` is a function of the item, or a path of attributes such as "inputs.snapshot"; it defaults to the
    field's name in its view. The value is None where it is unknown or where a part on the path is None."""

    format: Format
    meaning: str
    source: str | Callable[[Item], Any] = ""

    def value(self, item: Item) -> Any:
        return _followed(item, self.source)

    def json(self, item: Item) -> Any:
        value = self.value(item)
        return self.format.absent if value is None else self.format.json(value)


class View(Generic[Item]):
    """``heading`` is its heading in docs/json.md. ``fields`` are in the order of the JSON, by name."""

    def __init__(self, heading: str, /, **fields: Field[Item]) -> None:
        self.heading = heading
        self.fields: Mapping[str, Field[Item]] = {
            name: replace(entry, source=entry.source or name) for name, entry in fields.items()
        }

    def json(self, item: Item) -> dict[str, Any]:
        """Every field, always; null or an empty list where there is no value."""
        return {name: entry.json(item) for name, entry in self.fields.items()}

    def text(self, item: Item, template: str) -> str:
        """``template`` with each "{name}" or "{name.of.nested}" replaced by the text of that field."""
        return _Texts(self, item).format(template)

    def at(self, item: Item, path: str) -> tuple[Format, Any]:
        """Format and value of a field. ``path`` goes through nested views: "block.number"."""
        name, _, rest = path.partition(".")
        entry = self.fields[name]
        value = entry.value(item)
        if not rest:
            return entry.format, value
        assert isinstance(entry.format, Nested), f"{name} has no fields"
        return entry.format.view.at(value, rest) if value is not None else (entry.format, None)

    def selected(self, item: Item, paths: Sequence[str]) -> dict[str, Any]:
        """Plain values for a log line, named "block_number" for "block.number", floats rounded. Fields without a value
        and infinite numbers are left out."""
        values = {path.replace(".", "_"): self.at(item, path)[1] for path in paths}
        return {
            name: round(value, LOGGED_DECIMALS) if isinstance(value, float) else value
            for name, value in values.items()
            if value is not None and not (isinstance(value, float) and not math.isfinite(value))
        }


@dataclass(frozen=True)
class Nested(Format):
    """The format of a field whose value, or each of whose values, has a view of its own."""

    view: View[Any] = field(kw_only=True)


def nested(view: View[Any]) -> Nested:
    return Nested("object", json=view.json, view=view)


def nested_list(view: View[Any]) -> Nested:
    return Nested(
        "list of objects", json=lambda items: [view.json(item) for item in items], absent=[], view=view
    )


def lifted(view: View[Any], source: str | Callable[[Item], Any]) -> dict[str, Field[Item]]:
    """The fields of a part, as fields of the whole; without a value where the whole lacks the part."""

    def of(entry: Field[Any]) -> Field[Item]:
        def value(item: Item) -> Any:
            part = _followed(item, source)
            return None if part is None else entry.value(part)

        return replace(entry, source=value)

    return {name: of(entry) for name, entry in view.fields.items()}


def finite(value: Any) -> Any:
    """The same structure with null for NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return value


def _followed(item: Any, source: str | Callable[[Any], Any]) -> Any:
    if not isinstance(source, str):
        return source(item)
    for attribute in source.split("."):
        if item is None:
            return None
        item = getattr(item, attribute)
    return item


class _Texts(Formatter, Generic[Item]):
    def __init__(self, view: View[Item], item: Item) -> None:
        self._view = view
        self._item = item

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        del args, kwargs
        written, value = self._view.at(self._item, field_name)
        return (UNKNOWN if value is None else written.text(value)), field_name

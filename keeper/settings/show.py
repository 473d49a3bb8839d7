"""Every setting in force with its origin. Secrets are hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.settings.fields import flattened
from keeper.settings.load import layers, load, origins
from keeper.settings.redact import redacted
from keeper.settings.schema import Settings

DEFAULT = "default"
UNSET = "(not set)"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of ``keeper config show``."""

    field: str
    value: str
    origin: str


def settings_with_rows() -> tuple[Settings, tuple[SettingRow, ...]]:
    """The settings in force, and a row for each of them. Raises InvalidSetting."""
    settings = load()
    return settings, rows(settings, origins(layers()))


def rows(settings: Settings, origin_of: Mapping[str, str]) -> tuple[SettingRow, ...]:
    """In the order of the schema. The entries of a list have their list's origin."""
    return tuple(
        SettingRow(name, UNSET if value is None else redacted(name, value), _origin(name, origin_of))
        for name, value in leaves(settings.model_dump())
    )


def leaves(values: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    """Dotted name and value of every single setting; the place in a list of tables is part of the name."""
    every: list[tuple[str, Any]] = []
    for name, value in flattened(values):
        tables = isinstance(value, (list, tuple)) and all(isinstance(entry, Mapping) for entry in value)
        if not tables:
            every.append((name, value))
            continue
        for index, entry in enumerate(value):
            every.extend(flattened(entry, f"{name}[{index}]."))
    return every


def _origin(name: str, origin_of: Mapping[str, str]) -> str:
    listed = name.partition("[")[0]
    return origin_of.get(name) or origin_of.get(listed) or DEFAULT

"""What differs between two settings, and which differences a daemon that runs cannot follow. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keeper.settings.fields import setting_fields, variable
from keeper.settings.redact import HIDDEN, redacted
from keeper.settings.schema import STRATEGY, Settings
from keeper.settings.setting_types import AtStart
from keeper.settings.show import UNSET, leaves


@dataclass(frozen=True, slots=True)
class Change:
    """``field`` is dotted, ``before`` and ``after`` are as they may be printed."""

    field: str
    before: str
    after: str

    @property
    def name(self) -> str:
        """As the operator writes it."""
        return (
            self.field if self.field.partition(".")[0].partition("[")[0] in STRATEGY else variable(self.field)
        )

    def __str__(self) -> str:
        if self.before == self.after or HIDDEN in (self.before, self.after):
            return f"{self.name} changed; its value is secret"
        before = "it was not set" if self.before == UNSET else f"it was {self.before}"
        return f"{self.name} {'is not set' if self.after == UNSET else f'= {self.after}'} ({before})"


def changes(before: Settings, after: Settings) -> tuple[Change, ...]:
    """In the order of the schema; what only one of them has comes last."""
    old, new = dict(leaves(before.model_dump())), dict(leaves(after.model_dump()))
    return tuple(
        Change(name, _shown(name, old), _shown(name, new))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    )


def needing_restart(differences: tuple[Change, ...]) -> Iterator[tuple[Change, str]]:
    """Those that are applied at the start only, and why."""
    reasons = dict(start_only())
    for change in differences:
        if change.field in reasons:
            yield change, reasons[change.field]


def start_only() -> Iterator[tuple[str, str]]:
    """Every setting that is applied at the start only, and why, as the schema declares it."""
    for name, field in setting_fields():
        yield from ((name, mark.why) for mark in field.metadata if isinstance(mark, AtStart))


def _shown(name: str, values: dict[str, Any]) -> str:
    value = values.get(name)
    return UNSET if value is None else redacted(name, value)

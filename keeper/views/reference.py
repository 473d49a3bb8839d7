"""What every name that an operator can meet means: codes, errors, gates, checks, bounds, hindrances, rules, pauses.

The texts are those of docs/exit-codes.md and docs/prices.md; a test compares both.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from keeper.decision.gate_rules import LEVERING
from keeper.decision.gates import LIMITS, TRIGGERS
from keeper.domain import errors
from keeper.domain.errors import BadInput, Halted, KeeperError, Refused
from keeper.domain.exit_codes import EXIT_CODES
from keeper.domain.hindrances import HINDRANCES
from keeper.domain.pause_causes import PAUSE_CAUSES
from keeper.oracle.rules import RULES
from keeper.planning.checks import CHECKS, POST_TRADE_CHECKS
from keeper.sizing import restraint
from keeper.sizing.bounds import BOUNDS
from keeper.views import formats as unit
from keeper.views.view import Field, View

SELLS_ANYWAY = "It stops only purchases and levering; the keeper then considers to sell alone."
REMEDIES = {entry.code: entry.remedy for entry in EXIT_CODES}


@dataclass(frozen=True, slots=True)
class NamedMeaning:
    """``kind`` is what the name is of. ``exit_code`` is that of a command that it stops, None where it sets none."""

    name: str
    kind: str
    meaning: str
    remedy: str
    exit_code: int | None = None


MEANING = View[NamedMeaning](
    "meaning",
    name=Field(unit.TEXT, "The name or number."),
    kind=Field(
        unit.TEXT,
        "exit code, error, trigger, limit, levering gate, check, bound, hindrance, price rule or pause.",
    ),
    meaning=Field(unit.TEXT, "What it means."),
    remedy=Field(unit.TEXT, "What to do; empty if nothing."),
    exit_code=Field(unit.COUNT, "Exit code of a command that it stops; null if it sets none."),
)


def meanings(name: str) -> tuple[NamedMeaning, ...]:
    """Every meaning of a name; empty if it has none. Letter case does not matter, nor does the symbol of a bound."""
    sought = name.strip().partition(":")[0].lower()
    return tuple(entry for entry in every_meaning() if entry.name.lower() == sought)


def required_meanings(name: str) -> tuple[NamedMeaning, ...]:
    """Raises BadInput for a name without a meaning."""
    matching = meanings(name)
    if not matching:
        raise BadInput(
            f"{name}: no exit code, error, gate, check, bound, hindrance, price rule or pause has this name",
            remedy="docs/exit-codes.md lists them. A record is named by the first 4 characters of its id or more.",
        )
    return matching


def every_meaning() -> Iterator[NamedMeaning]:
    """Every name that has a meaning; a name may have several."""
    for code in EXIT_CODES:
        yield _named(str(code.code), "exit code", meaning=code.meaning, exit_code=code.code)
    yield from _gates()
    for name, demand in CHECKS.items():
        yield _named(name, "check of the simulation", meaning=demand, exit_code=Refused.exit_code)
    for name, demand in POST_TRADE_CHECKS.items():
        yield _named(name, "check after a mined transaction", meaning=demand)
    for name, meaning in (*BOUNDS.items(), (restraint.NAME, restraint.MEANING)):
        yield _named(name, "bound on leverage", meaning=f"The leverage at which {meaning}.")
    for hindrance, meaning in HINDRANCES.items():
        yield _named(hindrance.value, "hindrance of the fire drill", meaning=f"In the way: {meaning}.")
    for rule in RULES:
        yield _named(rule.name, "price rule", meaning=f"{rule.trust.value}: {rule.meaning}.")
    for cause in PAUSE_CAUSES:
        yield NamedMeaning(
            name=cause.name,
            kind="pause",
            meaning=cause.meaning,
            remedy=cause.remedy,
            exit_code=Halted.exit_code,
        )
    for error in _error_classes():
        yield _named(error.__name__, "error", meaning=meaning_of(error), exit_code=error.exit_code)


def _named(name: str, kind: str, *, meaning: str, exit_code: int | None = None) -> NamedMeaning:
    """With what to do about its exit code."""
    remedy = REMEDIES[exit_code] if exit_code else ""
    return NamedMeaning(name=name, kind=kind, meaning=meaning, remedy=remedy, exit_code=exit_code)


def meaning_of(kind: type[KeeperError]) -> str:
    """The first paragraph of the class's docstring, on one line."""
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def _gates() -> Iterator[NamedMeaning]:
    for trigger in TRIGGERS:
        yield _named(trigger.name, "trigger", meaning=f"Fires when: {trigger.meaning}.")
    for limit in LIMITS:
        levering = limit.kind == LEVERING
        kind, also = ("levering gate", f" {SELLS_ANYWAY}") if levering else ("limit", "")
        meaning = f"Holds when: {limit.meaning}.{also}"
        yield _named(limit.name, kind, meaning=meaning, exit_code=limit.exit_code)


def _error_classes() -> Iterator[type[KeeperError]]:
    for value in vars(errors).values():
        if inspect.isclass(value) and issubclass(value, KeeperError) and value is not KeeperError:
            yield value

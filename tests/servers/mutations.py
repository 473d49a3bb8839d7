"""Single-field mutations of a JSON answer: what a client, a gateway or a bug may make of one field."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]
"""Names and positions that lead from the answer to a field; empty for the answer itself."""

WRONG_TYPES: tuple[Any, ...] = (
    7,
    0,
    1.5,
    True,
    False,
    "",
    "hello",
    "0x",
    "0xzz",
    [],
    {},
    [None],
    {"hash": None},
)
LIMITS = (2**63 - 1, 2**64 - 1, 2**128 - 1)
"""The largest numbers that a parser may take: what is at the limit is believed sooner than what is above it."""
HUGE: tuple[Any, ...] = (
    *map(hex, LIMITS),
    *LIMITS,
    "0x" + "f" * 64,
    "0x" + "f" * 5_000,
    10**40,
    "x" * 5_000,
)
NEGATIVE: tuple[Any, ...] = ("-0x1", "0x-1", -1)
SHIFTS_S = (-(10**9), -3_600, -60, -1, 1, 60, 3_600, 86_400, 10 * 365 * 86_400)
KINDS = ("missing", "null", "wrong type", "huge", "negative", "other case", "other id")
OTHER_TIME = "other time"
"""Only of fields that are timestamps."""
VARIANTS = 30
"""No kind has more values."""


def places(answer: Any, before: Place = ()) -> Iterator[Place]:
    """Every field of an answer, outermost first."""
    yield before
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield from places(value, (*before, name))
    elif isinstance(answer, list):
        for number, value in enumerate(answer):
            yield from places(value, (*before, number))


def mutated(answer: Any, place: Place, kind: str, variant: int) -> Any:
    """A copy of ``answer`` with one field changed; ``variant`` chooses among the values of a kind."""
    if not place:
        return None if kind == "missing" else _other(answer, kind, variant)
    whole = copy.deepcopy(answer)
    container = whole
    for step in place[:-1]:
        container = container[step]
    if kind == "missing":
        del container[place[-1]]
    else:
        container[place[-1]] = _other(container[place[-1]], kind, variant)
    return whole


def name_path(place: Place) -> Place:
    """The names that lead to a field; all elements of a list are one."""
    return tuple("*" if isinstance(step, int) else step for step in place)


def kinds_at(place: Place) -> tuple[str, ...]:
    """What may be done to a field."""
    return (*KINDS, OTHER_TIME) if place and place[-1] == "timestamp" else KINDS


def respelt(kind: str) -> bool:
    """Whether the mutation leaves the value as it is."""
    return kind == "other case"


def _other(value: Any, kind: str, variant: int) -> Any:
    match kind:
        case "null":
            return None
        case "wrong type":
            return WRONG_TYPES[variant % len(WRONG_TYPES)]
        case "huge":
            return HUGE[variant % len(HUGE)]
        case "negative":
            return NEGATIVE[variant % len(NEGATIVE)]
        case "other case":
            return _respelt(value, variant)
        case "other time":
            times = (0, *(int(value, 16) + seconds for seconds in SHIFTS_S))
            return hex(max(0, times[variant % len(times)]))
        case _:
            others = (0, 10**9, "1", "", str(value), [value])
            return others[variant % len(others)]


def _respelt(value: Any, variant: int) -> Any:
    """Hexadecimal digits in upper case; an odd number of them, which is a quantity, also with leading zeros."""
    if not isinstance(value, str) or not value.startswith("0x"):
        return value
    padding = "0" * (variant % 4) if len(value) % 2 else ""
    return "0x" + padding + value[2:].upper()

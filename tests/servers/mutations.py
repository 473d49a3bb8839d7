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
HUGE: tuple[Any, ...] = ("0x" + "f" * 64, "0x" + "f" * 16, "0x" + "f" * 5_000, 10**40, "x" * 5_000)
NEGATIVE: tuple[Any, ...] = ("-0x1", "0x-1", -1)
KINDS = ("missing", "null", "wrong type", "huge", "negative", "other case", "other id")


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
        case _:
            others = (0, 10**9, "1", "", str(value), [value])
            return others[variant % len(others)]


def _respelt(value: Any, variant: int) -> Any:
    """Hexadecimal digits in upper case; an odd number of them, which is a quantity, also with leading zeros."""
    if not isinstance(value, str) or not value.startswith("0x"):
        return value
    padding = "0" * (variant % 4) if len(value) % 2 else ""
    return "0x" + padding + value[2:].upper()

"""The parameters of a sweep, named as in keeper.toml, and the candidates that they give."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from keeper.domain.errors import InvalidSetting

GRID_POINTS = 5
Value = bool | int | float | str
Assignment = Mapping[str, Value]
SYNTAX = "Write --set size.target_volatility=0.6,0.8 or --set decision.risk_share_band=0.02..0.10"


@dataclass(frozen=True, slots=True)
class Listed:
    """One of these values."""

    name: str
    values: tuple[Value, ...]

    def on_grid(self) -> tuple[Value, ...]:
        return self.values

    def drawn(self, generator: np.random.Generator) -> Value:
        return self.values[int(generator.integers(len(self.values)))]


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``. They are integers if both ends are. A grid has five evenly spaced points."""

    name: str
    low: float
    high: float
    integer: bool

    def on_grid(self) -> tuple[Value, ...]:
        points = np.linspace(self.low, self.high, GRID_POINTS).tolist()
        return tuple(
            dict.fromkeys(round(point) if self.integer else float(f"{point:.12g}") for point in points)
        )

    def drawn(self, generator: np.random.Generator) -> Value:
        if self.integer:
            return int(generator.integers(int(self.low), int(self.high) + 1))
        return float(generator.uniform(self.low, self.high))


Parameter = Listed | Range


def parsed(text: str) -> Parameter:
    """Parses ``name=1,2,3`` or ``name=low..high``. Raises InvalidSetting that quotes the text."""
    name, separator, values = text.partition("=")
    if not separator or not name.strip() or not values.strip():
        raise InvalidSetting(f"set: {text!r} is not a name and its values", remedy=f"{SYNTAX}.")
    low, between, high = values.partition("..")
    if not between:
        return Listed(name.strip(), tuple(_value(part.strip()) for part in values.split(",")))
    ends = (_value(low.strip()), _value(high.strip()))
    if any(isinstance(end, bool | str) for end in ends) or not float(ends[0]) < float(ends[1]):
        raise InvalidSetting(
            f"set: {name} = {values!r} is not a range from a number to a larger one", remedy=f"{SYNTAX}."
        )
    return Range(
        name.strip(), float(ends[0]), float(ends[1]), integer=all(isinstance(end, int) for end in ends)
    )


def grid(parameters: Sequence[Parameter]) -> tuple[Assignment, ...]:
    """Every combination. The last parameter changes fastest."""
    names = [parameter.name for parameter in parameters]
    every = product(*(parameter.on_grid() for parameter in parameters))
    return tuple(dict(zip(names, values, strict=True)) for values in every)


def random_draws(parameters: Sequence[Parameter], count: int, seed: int) -> tuple[Assignment, ...]:
    """``count`` independent draws. The same seed gives the same draws."""
    generator = np.random.default_rng(seed)
    return tuple(
        {parameter.name: parameter.drawn(generator) for parameter in parameters} for _ in range(count)
    )


def _value(text: str) -> Value:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float | str) else text

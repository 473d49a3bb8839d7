"""Ranges that several settings share, and the base of every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
PositiveFraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Loss = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
HealthFactor = Annotated[float, Field(gt=1, le=10, allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=1)]
HalfLife = Annotated[float, Field(gt=0, le=365)]
Weight = Annotated[float, Field(ge=-2, le=2)]
Bps = Annotated[int, Field(ge=0, le=10_000)]


@dataclass(frozen=True, slots=True)
class AtStart:
    """Marks a setting that is applied when the keeper starts. A daemon that runs refuses another value. ``why`` is a
    sentence for the operator."""

    why: str


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def repeated(names: tuple[str, ...]) -> str:
    """The names that occur more than once."""
    return ", ".join(dict.fromkeys(name for name in names if names.count(name) > 1))

"""What one gate measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GateResult:
    """``passed``: the trigger fired, or the limit is kept. ``detail`` names the numbers and their unit."""

    value: float
    limit: float
    passed: bool
    detail: str


def hours(seconds: float) -> str:
    return f"{seconds / 3600:,.2f} h"

"""What one gate measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GateResult:
    """``passed`` is True when a trigger fires or a limit is kept. ``detail`` names the numbers and their unit."""

    value: float
    limit: float
    passed: bool
    detail: str


def hours(seconds: float) -> str:
    return f"{seconds / 3600:,.2f} h"

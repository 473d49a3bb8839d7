"""When two numbers are too near to tell which is larger."""

from __future__ import annotations

import math

from keeper.risk.compiled.decorators import checked

MARGIN = 1e-6
"""Relative; the live functions and the running sums differ by 1e-9 or less."""


@checked
def near(value: float, limit: float) -> bool:
    return math.isfinite(limit) and abs(value - limit) <= MARGIN * abs(limit)

"""Figures as text: a dash where there is none."""

from __future__ import annotations

import math


def percent(value: float, digits: int = 1) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def number(value: float, digits: int = 2) -> str:
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """With its sign; the minus is as wide as the plus."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")

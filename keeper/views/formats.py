"""How each kind of value is written: its unit, its text on a screen and its JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keeper.domain.units import UINT256_MAX

UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Format:
    """``text`` and ``json`` take a value that is not None; ``absent`` is the JSON of None."""

    unit: str
    text: Callable[[Any], str] = str
    json: Callable[[Any], Any] = lambda value: value
    absent: Any = None


def percent(value: float | None, digits: int = 1) -> str:
    """0.123 as 12.3 %; a dash for None."""
    return UNKNOWN if value is None else f"{value * 100:.{digits}f} %"


def money(value: float) -> str:
    """USD with two decimals below a thousand, whole dollars above; a dash for an infinite cost, which nobody knows."""
    if math.isinf(value):
        return UNKNOWN
    return f"${value:,.2f}" if abs(value) < 1000 else f"${value:,.0f}"


def price(value: float) -> str:
    """At least five significant digits, so that the deviation of a stablecoin shows."""
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:,.4f}"


def ratio(value: float) -> str:
    """A leverage or a health factor; a health factor is infinite without debt."""
    return "∞" if math.isinf(value) else f"{value:.3f}"


def number(value: float) -> str:
    """A value or limit of a gate or check, in the unit that its detail names."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if math.isnan(value):
        return UNKNOWN
    if abs(value) >= 1e7:
        return f"{value:.3e}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.4g}"


def age(seconds: float) -> str:
    """A duration in the largest unit of which there are at least two."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(unix_seconds: float) -> str:
    """UTC, to the second."""
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def amount(raw: int, decimals: int) -> str:
    """A raw token amount in whole tokens, six digits; "all" for UINT256_MAX."""
    if raw == UINT256_MAX:
        return "all"
    whole = raw / 10**decimals
    return f"{whole:,.2f}" if whole >= 1000 else f"{whole:,.6g}"


TEXT = Format("text")
FLAG = Format("true or false")
TRUST = Format("text", lambda trust: "" if trust == "FRESH" else str(trust))
INTEGER = Format("integer")
COUNT = Format("integer", "{:,}".format)
USD = Format("USD", money)
DOLLARS = Format("USD", "{:,.0f}".format)
PRICE = Format("USD", price)
RATIO = Format("ratio", ratio)
FRACTION = Format("fraction", percent)
FRACTION_2 = Format("fraction", lambda value: percent(value, 2))
SHARE = Format("fraction", lambda value: percent(value, 0))
NAVS = Format("NAVs", "{:.3f}".format)
TURNOVER = Format("NAVs", "{:.2f}".format)
NUMBER = Format("see `detail`", number)
AMOUNT = Format("number", number)
BPS = Format("bps", "{:+.1f}".format)
GAP = Format("bps", "{:+,.1f} bps".format)
ETH = Format("ETH", "{:.4f}".format)
LIMIT = Format("number", "{:g}".format)
BYTES = Format("bytes", lambda value: f"{value / 1e3:,.0f} kB")
MILLISECONDS = Format("ms", "{:.1f} ms".format)
SECONDS = Format("seconds", age)
TIME = Format("Unix seconds", moment)
RAW = Format("raw amount, as text", json=str)
TEXTS = Format("list of texts", ", ".join, list, absent=[])
NUMBERS = Format("list of numbers", json=list, absent=[])
MATRIX = Format("list of lists of numbers", json=list, absent=[])

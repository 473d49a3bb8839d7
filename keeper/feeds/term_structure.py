"""At-the-money implied volatility over time to expiry, from an option book, at any horizon in between."""

from __future__ import annotations

import bisect
import calendar
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keeper.domain.units import SECONDS_PER_YEAR

EXPIRY_HOUR = 8  # UTC, for every Deribit option
LEAST_IV, MOST_IV = 1.0, 500.0  # percent; 0 and 500 are what Deribit shows where there is no market
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAME = re.compile(r"[A-Z]+-(\d{1,2})([A-Z]{3})(\d{2})-(\d+)-[CP]")


@dataclass(frozen=True, slots=True)
class OptionMark:
    """``expiry`` in Unix seconds, ``moneyness`` ln(strike / forward), ``iv`` an annualised fraction."""

    expiry: int
    moneyness: float
    iv: float


def option_marks(book: Iterable[object]) -> list[OptionMark]:
    """Of Deribit's get_book_summary_by_currency(kind=option); entries without a usable mark are left out."""
    marks = (_mark(entry) for entry in book if isinstance(entry, dict))
    return [mark for mark in marks if mark is not None]


def volatility_at(marks: Iterable[OptionMark], as_of: int, horizon_s: int) -> float | None:
    """Volatility to the horizon, linear in total variance σ²T between expiries, flat beyond the outer two.

    None where no expiry after ``as_of`` has marks on both sides of its forward.
    """
    terms = _terms(marks, as_of)
    if not terms:
        return None
    times = [time for time, _ in terms]
    horizon = horizon_s / SECONDS_PER_YEAR
    after = bisect.bisect_left(times, horizon)
    if after == 0:
        return terms[0][1]
    if after == len(terms):
        return terms[-1][1]
    (t0, v0), (t1, v1) = terms[after - 1], terms[after]
    share = (horizon - t0) / (t1 - t0)
    variance = v0 * v0 * t0 * (1 - share) + v1 * v1 * t1 * share
    return math.sqrt(variance / horizon)


def _terms(marks: Iterable[OptionMark], as_of: int) -> list[tuple[float, float]]:
    """(years to expiry, at-the-money volatility), by expiry."""
    by_expiry: dict[int, list[OptionMark]] = {}
    for mark in marks:
        if mark.expiry > as_of:
            by_expiry.setdefault(mark.expiry, []).append(mark)
    terms = []
    for expiry in sorted(by_expiry):
        volatility = _at_the_money(by_expiry[expiry])
        if volatility is not None:
            terms.append(((expiry - as_of) / SECONDS_PER_YEAR, volatility))
    return terms


def _at_the_money(marks: list[OptionMark]) -> float | None:
    """Linear in moneyness between the strikes around the forward; a strike's call and put are averaged."""
    below = max((mark.moneyness for mark in marks if mark.moneyness <= 0), default=None)
    above = min((mark.moneyness for mark in marks if mark.moneyness >= 0), default=None)
    if below is None or above is None:
        return None
    low, high = _mean_iv(marks, below), _mean_iv(marks, above)
    if above == below:
        return low
    return low + (high - low) * -below / (above - below)


def _mean_iv(marks: list[OptionMark], moneyness: float) -> float:
    ivs = [mark.iv for mark in marks if mark.moneyness == moneyness]
    return math.fsum(ivs) / len(ivs)


def _mark(entry: Mapping[str, Any]) -> OptionMark | None:
    name = _NAME.fullmatch(str(entry.get("instrument_name")))
    iv, forward = _number(entry.get("mark_iv")), _number(entry.get("underlying_price"))
    if name is None or name[2] not in _MONTHS:
        return None
    strike = int(name[4])
    if not LEAST_IV <= iv < MOST_IV or not forward > 0 or strike == 0:
        return None
    day, month, year = int(name[1]), _MONTHS.index(name[2]) + 1, 2000 + int(name[3])
    expiry = calendar.timegm((year, month, day, EXPIRY_HOUR, 0, 0))
    return OptionMark(expiry, math.log(strike / forward), iv / 100)


def _number(value: object) -> float:
    """0 for anything that is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(value)

"""At-the-money implied volatility over time to expiry, from an option book, at any horizon in between."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keeper.domain.units import SECONDS_PER_YEAR
from keeper.feeds.http import number

EXPIRY_HOUR = 8  # UTC, for every Deribit option
MIN_IV, MAX_IV = 1.0, 500.0  # percent; 0 and 500 are what Deribit shows where there is no market
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAME = re.compile(r"[A-Z]+-(\d{1,2})([A-Z]{3})(\d{2})-(\d{1,12})-[CP]")


@dataclass(frozen=True, slots=True)
class OptionMark:
    """``expiry`` in Unix seconds, ``moneyness`` ln(strike / forward), ``iv`` an annualised fraction.
    ``two_sided``: somebody bids for it and somebody offers it."""

    expiry: int
    moneyness: float
    iv: float
    two_sided: bool = True


@dataclass(frozen=True, slots=True)
class ExpiryUsed:
    """One expiry's part in a volatility: its at-the-money ``volatility`` (annualised fraction) from ``marks`` usable
    options, ``days`` to expiry, and the ``weight`` of its total variance in the interpolation, 0 to 1."""

    expiry: int
    days: float
    volatility: float
    marks: int
    weight: float


def option_marks(book: Iterable[object]) -> list[OptionMark]:
    """Of Deribit's get_book_summary_by_currency(kind=option); entries without a usable mark, or whose bid is
    not below their ask, are left out."""
    marks = (_mark(entry) for entry in book if isinstance(entry, dict))
    return [mark for mark in marks if mark is not None]


def slice_at(marks: Iterable[OptionMark], as_of: int, horizon_s: int) -> tuple[ExpiryUsed, ...]:
    """The expiries around the horizon, the outermost beyond them, none where no expiry has marks on both sides of its
    forward. Weights sum to 1."""
    terms = _terms(marks, as_of)
    before = [term for term in terms if term.expiry < as_of + horizon_s][-1:]
    after = [term for term in terms if term.expiry >= as_of + horizon_s][:1]
    if not before or not after:
        return tuple(replace(term, weight=1.0) for term in before + after)
    near, far = before[0], after[0]
    share = (as_of + horizon_s - near.expiry) / (far.expiry - near.expiry)
    return replace(near, weight=1.0 - share), replace(far, weight=share)


def volatility_of(used: Sequence[ExpiryUsed], as_of: int, horizon_s: int) -> float | None:
    """The annualised fraction that ``slice_at`` of the same moment and horizon comes to: linear in total variance σ²T
    between expiries, flat beyond the outer two. None of none."""
    if len(used) < 2:
        return used[0].volatility if used else None
    variance = math.fsum(
        term.weight * term.volatility**2 * (term.expiry - as_of) / SECONDS_PER_YEAR for term in used
    )
    return math.sqrt(variance / (horizon_s / SECONDS_PER_YEAR))


def _terms(marks: Iterable[OptionMark], as_of: int) -> list[ExpiryUsed]:
    """Every usable expiry after ``as_of``, ascending, without a weight yet."""
    by_expiry: dict[int, list[OptionMark]] = {}
    for mark in marks:
        if mark.expiry > as_of:
            by_expiry.setdefault(mark.expiry, []).append(mark)
    terms = []
    for expiry in sorted(by_expiry):
        # A mark that no market stands behind is a model's; it does where there is nothing else.
        usable = [mark for mark in by_expiry[expiry] if mark.two_sided] or by_expiry[expiry]
        volatility = _at_the_money(usable)
        if volatility is not None:
            terms.append(
                ExpiryUsed(expiry, (expiry - as_of) / 86_400, volatility, marks=len(usable), weight=0.0)
            )
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
    iv, forward = number(entry.get("mark_iv")), number(entry.get("underlying_price"))
    if name is None or name[2] not in _MONTHS or iv is None or forward is None:
        return None
    strike = int(name[4])
    if not MIN_IV <= iv < MAX_IV or forward <= 0.0 or strike == 0:
        return None
    bid, ask = _quote(entry.get("bid_price")), _quote(entry.get("ask_price"))
    two_sided = bid is not None and ask is not None
    if bid is not None and ask is not None and bid >= ask:
        return None
    day, month, year = int(name[1]), _MONTHS.index(name[2]) + 1, 2000 + int(name[3])
    expiry = calendar.timegm((year, month, day, EXPIRY_HOUR, 0, 0))
    return OptionMark(expiry, math.log(strike / forward), iv / 100, two_sided=two_sided)


def _quote(value: object) -> float | None:
    """A price that somebody stands behind; Deribit shows null, and 0 in places, where nobody does."""
    price = number(value)
    return price if price is not None and price > 0.0 else None

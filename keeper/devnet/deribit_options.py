"""An option market consistent with one 30-day volatility: which options are listed, and what each is worth.

Every expiry has the same smile in standardised moneyness x = ln(K/F) / (σ√T):  iv = σ · (LEVEL + SKEW·x +
SMILE·x²). ``LEVEL`` is set so that the 30-day variance swap replicated from it is σ, as DVOL is of Deribit's
book. Options are inverse: premium in coin, Black (1976) on the expiry's forward with a zero rate, expiry at
08:00 UTC.
"""

from __future__ import annotations

import calendar
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

LEVEL = 0.9368
SKEW = -0.02
SMILE = 0.04
MAX_MONEYNESS = 4.0  # the smile is flat beyond

BASIS = 0.03  # forward = index · exp(BASIS · T), a year
STRIKES_WITHIN = 2.5  # standard deviations to expiry that are listed
MIN_REACH = 0.06
STRIKES_PER_SIDE = 12
EXPIRY_HOUR = 8
YEAR = 31_536_000

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class Option:
    """One listed option; ``expiry`` in Unix seconds, ``strike`` in USD, ``kind`` "C" or "P"."""

    currency: str
    expiry: int
    strike: int
    kind: str

    @property
    def name(self) -> str:
        return f"{self.future}-{self.strike}-{self.kind}"

    @property
    def future(self) -> str:
        """The future of the same expiry, BTC-24JUN22."""
        day = datetime.fromtimestamp(self.expiry, UTC)
        return f"{self.currency}-{day.day}{MONTHS[day.month - 1]}{day:%y}"


@dataclass(frozen=True, slots=True)
class OptionMarkPrice:
    """What an option is worth: ``price`` in coin, ``iv`` a fraction."""

    forward: float
    iv: float
    price: float
    delta: float


@lru_cache(maxsize=16)
def expiries(now: int) -> tuple[int, ...]:
    """Expiries after ``now``: two days, three Fridays, the last Fridays of three months and two quarters."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=EXPIRY_HOUR, minute=0, second=0, microsecond=0)
    days = [today + timedelta(days=offset) for offset in range(30)]
    ahead = [day for day in days if day.timestamp() > now]
    fridays = [day for day in ahead if day.weekday() == calendar.FRIDAY]
    month_ends = [_last_friday(today.year, today.month + offset) for offset in range(12)]
    later = [day for day in month_ends if day.timestamp() > now]
    quarters = [day for day in later if day.month % 3 == 0]
    listed = {*ahead[:2], *fridays[:3], *later[:3], *quarters[:2]}
    return tuple(sorted(int(day.timestamp()) for day in listed))


def listed_options(currency: str, index: float, volatility: float, now: int) -> tuple[Option, ...]:
    """Calls and puts around the money at every expiry, given the index and 30-day volatility (a fraction)."""
    options: list[Option] = []
    for expiry in expiries(now):
        reach = max(STRIKES_WITHIN * volatility * math.sqrt((expiry - now) / YEAR), MIN_REACH)
        step = _strike_step(index * reach / STRIKES_PER_SIDE)
        lowest = math.ceil(index * math.exp(-reach) / step) * step
        highest = math.floor(index * math.exp(reach) / step) * step
        for strike in range(lowest, highest + step, step):
            if strike > 0:
                options += [
                    Option(currency, expiry, strike, kind="C"),
                    Option(currency, expiry, strike, kind="P"),
                ]
    return tuple(options)


def smile(moneyness: float, volatility: float) -> float:
    """Implied volatility at a standardised moneyness, both volatilities fractions."""
    x = max(-MAX_MONEYNESS, min(MAX_MONEYNESS, moneyness))
    return volatility * (LEVEL + SKEW * x + SMILE * x * x)


def forward_price(index: float, expiry: int, now: int) -> float:
    return index * math.exp(BASIS * (expiry - now) / YEAR)


def mark(option: Option, index: float, volatility: float, now: int) -> OptionMarkPrice:
    """Black (1976) at the smile; ``now`` must be before the expiry."""
    years = (option.expiry - now) / YEAR
    forward = forward_price(index, option.expiry, now)
    iv = smile(math.log(option.strike / forward) / (volatility * math.sqrt(years)), volatility)
    deviation = iv * math.sqrt(years)
    d1 = math.log(forward / option.strike) / deviation + deviation / 2
    d2 = d1 - deviation
    sign = 1 if option.kind == "C" else -1
    value = sign * (forward * _normal(sign * d1) - option.strike * _normal(sign * d2))
    return OptionMarkPrice(
        forward=forward,
        iv=iv,
        price=max(value, 0.0) / forward,
        delta=sign * _normal(sign * d1),
    )


def tick(price: float) -> float:
    """The tick size at a premium in coin."""
    return 0.0005 if price >= 0.005 else 0.0001


def _last_friday(year: int, month: int) -> datetime:
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    last = datetime(year, month, calendar.monthrange(year, month)[1], EXPIRY_HOUR, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() - calendar.FRIDAY) % 7)


def _strike_step(minimum: float) -> int:
    magnitude = int(10.0 ** math.floor(math.log10(max(minimum, 1.0))))
    for factor in (1.0, 2.5, 5.0, 10.0):
        if factor * magnitude >= minimum and (factor * magnitude).is_integer():
            return int(factor * magnitude)
    return 10 * magnitude


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))

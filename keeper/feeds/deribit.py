"""Implied volatility from Deribit's public API: the option book's term structure, and the DVOL index.

DVOL is a 30-day variance-swap index. The book gives volatility at any horizon. The book is preferred while both agree.
If only one of them is available, it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from keeper.domain.errors import FeedUnavailable
from keeper.domain.evidence import ImpliedReading
from keeper.domain.units import SECONDS_PER_HOUR
from keeper.feeds.deribit_api import DeribitClient, result
from keeper.feeds.http import number
from keeper.feeds.term_structure import MAX_IV, MIN_IV, ExpiryUsed, option_marks, slice_at, volatility_of

T = TypeVar("T")

LOOK_BACK_S = 72 * SECONDS_PER_HOUR
CANDLE_S = SECONDS_PER_HOUR
BOOK_AFTER_BLOCK_S = 60
"""A book is younger than the block. A book this close to the block is dated with the block's time."""
OLDEST_BOOK_S = 15 * 60
FROZEN_CANDLES = 6
"""A live index moves every hour. So many equal candles mean that it is frozen."""

MAX_DISAGREEMENT = 1.6
"""Ratio of book and DVOL, either way. At-the-money volatility is some 5–15 % below a variance-swap index."""


@dataclass(frozen=True, slots=True)
class _Candle:
    """The close of a closed candle. ``flat``: open, high and low have the same value."""

    volatility: float
    observed_at: int
    flat: bool


@dataclass(frozen=True, slots=True)
class BookSlice:
    """How the option book's ``volatility`` to a horizon came out: an annualised fraction, and the one or two
    expiries it lies between. ``observed_at``: Unix second at which the book was made, at the latest the block's."""

    volatility: float
    observed_at: int
    expiries: tuple[ExpiryUsed, ...]


class Deribit(DeribitClient):
    """Implements ports.ImpliedVolatility."""

    remedy = "The estimate falls back to realised volatility. Check Deribit."

    def read(self, underlyings: Sequence[str], as_of: int, horizon_s: int) -> tuple[ImpliedReading, ...]:
        """ports.ImpliedVolatility.read. It makes two requests per underlying."""
        return tuple(self._reading(underlying, as_of, horizon_s) for underlying in underlyings)

    def _reading(self, underlying: str, as_of: int, horizon_s: int) -> ImpliedReading:
        index, no_index = _tried(lambda: self._index(underlying, as_of))
        book, no_book = _tried(lambda: self.slice_of(underlying, as_of, horizon_s))
        days = f"{horizon_s / 86_400:g} d"
        if book is not None and (index is None or _agree(book, index)):
            reason = no_index if index is None else f"DVOL {index.volatility:.1%}"
            return _of(underlying, book, f"Deribit option book, at the money, {days}", reason=reason)
        if index is not None and book is not None:
            # Contradictory: the one that asks for less risk.
            higher = book if book.volatility > index.volatility else index
            reason = (
                f"the option book says {book.volatility:.1%}, DVOL {index.volatility:.1%}: the higher counts"
            )
            return _of(underlying, higher, "Deribit", reason=reason)
        if index is not None:
            return _of(underlying, index, "Deribit DVOL", reason=no_book)
        return ImpliedReading(underlying, None, as_of, source="Deribit", reason=f"{no_index}; {no_book}")

    # ------------------------------------------------------------- the sources

    def slice_of(self, underlying: str, as_of: int, horizon_s: int) -> BookSlice:
        """At-the-money volatility to the horizon, from the book as it is now. Raises FeedUnavailable."""
        what = f"option book {underlying}"
        book = result(
            self._source,
            what,
            "public/get_book_summary_by_currency",
            params={"currency": underlying, "kind": "option"},
        )
        if not isinstance(book, list):
            raise self._source.unavailable(what, "not a list of options")
        made_at = max((_made_at(entry) for entry in book), default=0)
        if made_at > as_of + BOOK_AFTER_BLOCK_S:
            raise self._source.unavailable(what, f"it is from {made_at - as_of} s after the block")
        used = slice_at(option_marks(book), as_of, horizon_s)
        volatility = volatility_of(used, as_of, horizon_s)
        if volatility is None:
            raise self._source.unavailable(what, "no expiry has marks around its forward")
        if made_at < as_of - OLDEST_BOOK_S:
            age = f"made {as_of - made_at} s before the block" if made_at > 0 else "it has no time"
            raise self._source.unavailable(what, f"frozen: {age}")
        return BookSlice(volatility, min(made_at, as_of), used)

    def _index(self, underlying: str, as_of: int) -> _Candle:
        """Close of the last hourly DVOL candle that was closed at ``as_of``. Raises FeedUnavailable."""
        what = f"DVOL {underlying}"
        answer = result(
            self._source,
            what,
            "public/get_volatility_index_data",
            params={
                "currency": underlying,
                "start_timestamp": (as_of - LOOK_BACK_S) * 1_000,
                "end_timestamp": as_of * 1_000,
                "resolution": str(CANDLE_S),
            },
        )
        candles = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(candles, list):
            raise self._source.unavailable(what, "no candles in the answer")
        by_time = {
            observation.observed_at: observation
            for observation in map(_candle, candles)
            if observation is not None and observation.observed_at <= as_of
        }
        closed = [by_time[at] for at in sorted(by_time)]
        if not closed:
            raise self._source.unavailable(
                what, f"no usable value in the {LOOK_BACK_S // SECONDS_PER_HOUR} hours before the block"
            )
        if _frozen(closed[-FROZEN_CANDLES:]):
            raise self._source.unavailable(
                what,
                f"frozen: {closed[-1].volatility:.1%} without a move in its last {FROZEN_CANDLES} candles",
            )
        return closed[-1]


def _tried(source: Callable[[], T]) -> tuple[T | None, str]:
    """The observation, or why there is none."""
    try:
        return source(), ""
    except FeedUnavailable as error:
        return None, error.message


def _candle(candle: object) -> _Candle | None:
    """[open time in ms, open, high, low, close in percent]; None where it is not that."""
    if not isinstance(candle, list) or len(candle) < 5 or not isinstance(candle[0], int):
        return None
    close = number(candle[4])
    if close is None or not MIN_IV <= close < MAX_IV:
        return None
    flat = all(number(value) == close for value in candle[1:4])
    return _Candle(close / 100, candle[0] // 1_000 + CANDLE_S, flat)


def _frozen(newest: Sequence[_Candle]) -> bool:
    return (
        len(newest) >= FROZEN_CANDLES
        and all(candle.flat for candle in newest)
        and len({candle.volatility for candle in newest}) == 1
    )


def _made_at(entry: object) -> int:
    stamp = entry.get("creation_timestamp") if isinstance(entry, dict) else None
    return stamp // 1_000 if isinstance(stamp, int) else 0


def _agree(book: BookSlice, index: _Candle) -> bool:
    ratio = book.volatility / index.volatility
    return 1 / MAX_DISAGREEMENT <= ratio <= MAX_DISAGREEMENT


def _of(underlying: str, observation: BookSlice | _Candle, source: str, reason: str) -> ImpliedReading:
    return ImpliedReading(
        underlying, observation.volatility, observation.observed_at, source=source, reason=reason
    )

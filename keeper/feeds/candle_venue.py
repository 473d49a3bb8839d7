"""Common parts of the exchanges' candle APIs: pages, checked rows, and a limited request rate."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from keeper.domain.errors import FeedUnavailable, HttpRefusal, RateLimited
from keeper.domain.prices import Candle
from keeper.feeds.http import (
    TIMEOUT_S,
    JsonSource,
    decimal,
    number,
)

MINUTE = 60
PRICE_LOOK_BACK = 60
"""Minutes in which the newest trade is searched."""
RETRIES = 3
BURST = 8

Wait = Callable[[float], object]
_wait = threading.Event().wait


@dataclass(frozen=True, slots=True)
class Bar:
    """A checked row: ``opened`` in Unix seconds, prices as quoted. ``partial``: the bar is still open."""

    opened: int
    open: float
    high: float
    low: float
    close: float
    traded: bool
    partial: bool = False


class CandleVenue(ABC):
    """One exchange. Threads may share it: their requests together keep ``min_interval_s`` apart.

    ``wait`` sleeps for seconds. ``now`` is the Unix time; a bar that is still open at that time is never yielded.
    """

    name: ClassVar[str]
    min_interval_s: ClassVar[float]
    lengths: ClassVar[Mapping[int, str]]
    """Length of a candle in seconds -> the venue's name for it."""
    page_candles: ClassVar[int]
    single_page: ClassVar[bool] = False
    """True if the venue has no more than the newest ``page_candles``."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
        wait: Wait = _wait,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._source = JsonSource(base_url, self.name, timeout_s, transport=transport)
        self._wait = wait
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.Lock()
        self._next_at = 0.0

    def close(self) -> None:
        self._source.close()

    @abstractmethod
    def instrument(self, reference: str) -> str:
        """The venue's name for ``reference`` against the dollar. Raises FeedUnavailable if it has none."""

    @abstractmethod
    def _page(self, instrument: str, seconds: int, first: int, last: int) -> Iterable[Bar | None]:
        """One request for the bars opened in [first, last], in any order, None for unusable rows."""

    def candles(self, reference: str, seconds: int, since: int, until: int) -> Iterator[tuple[Candle, ...]]:
        """Pages of the candles closed in (since, until], Unix seconds, all in ascending order.

        Intervals without a trade may be missing. Empty pages are not yielded. After a rate limit it waits and tries
        again, three times a page. Raises FeedUnavailable, RateLimited.
        """
        instrument = self.instrument(reference)
        if seconds not in self.lengths:
            known = ", ".join(str(length) for length in self.lengths)
            raise FeedUnavailable(
                f"{self.name} {instrument}: no candles of {seconds} s", remedy=f"Ask for one of: {known}."
            )
        until = min(until, int(self._now()))
        for first, last in self._windows(seconds, max(since, 0) // seconds * seconds, until - seconds):
            page = _closed(
                self._patiently(instrument, seconds, first, last=last), seconds, since, until=until
            )
            if page:
                yield page

    def price(self, reference: str, as_of: int) -> tuple[float, int]:
        """The newest trade's price from one-minute candles, and its Unix second: the end of its candle, or ``as_of`` if
        the candle is still open. It makes one request. Raises FeedUnavailable, RateLimited."""
        instrument = self.instrument(reference)
        last = as_of // MINUTE * MINUTE
        first = last - (PRICE_LOOK_BACK - 1) * MINUTE
        rows = self._page(instrument, MINUTE, first, last=last)
        traded = [bar for bar in rows if bar is not None and bar.traded and first <= bar.opened <= last]
        if not traded:
            raise self._unavailable(instrument, f"no trade in the {PRICE_LOOK_BACK} minutes before the block")
        newest = max(traded, key=lambda bar: bar.opened)
        return newest.close, min(as_of, newest.opened + MINUTE)

    def _windows(self, seconds: int, first: int, last: int) -> Iterator[tuple[int, int]]:
        """[first, last] opening times of each page, oldest first."""
        if self.single_page:
            first = max(first, last - last % seconds - (self.page_candles - 1) * seconds)
        step = self.page_candles * seconds
        for opened in range(first, last + 1, step):
            yield opened, min(opened + step - seconds, last)

    def _patiently(self, instrument: str, seconds: int, first: int, last: int) -> list[Bar | None]:
        for _ in range(RETRIES):
            try:
                return list(self._page(instrument, seconds, first, last=last))
            except RateLimited as limited:
                self._wait(limited.retry_after_s)
        return list(self._page(instrument, seconds, first, last=last))

    def _get(self, path: str, params: Mapping[str, str | int], instrument: str) -> Any:
        """Raises FeedUnavailable with the venue's message, RateLimited."""
        self._take_turn()
        try:
            return self._source.get(path, params, f"{self.name} {instrument}")
        except HttpRefusal as refusal:
            answer = refusal.answer
            text = answer.get("message", answer.get("msg")) if isinstance(answer, dict) else None
            raise self._unavailable(instrument, f"HTTP {refusal.status}: {text!s:.80}") from refusal

    def _take_turn(self) -> None:
        """Allows BURST requests at once, then one per ``min_interval_s``. The prices of a few assets never wait."""
        with self._lock:
            now = self._monotonic()
            mine = max(now - (BURST - 1) * self.min_interval_s, self._next_at)
            self._next_at = mine + self.min_interval_s
        if mine > now:
            self._wait(mine - now)

    def _unavailable(self, instrument: str, why: str) -> FeedUnavailable:
        return self._source.unavailable(f"{self.name} {instrument}", why)


def checked(opened: object, prices: Iterable[object], volume: object, *, scale: int = 1) -> Bar | None:
    """The bar that opened at ``opened`` / ``scale`` Unix seconds. ``prices`` are open, high, low, close.

    Returns None unless all are finite and positive, and open and close lie between low and high."""
    at, (first, high, low, last) = number(opened), map(decimal, prices)
    if at is None or first is None or high is None or low is None or last is None:
        return None
    if at % scale or not 0.0 < low <= min(first, last) <= max(first, last) <= high:
        return None
    return Bar(int(at) // scale, first, high, low=low, close=last, traded=(decimal(volume) or 0.0) > 0.0)


def _closed(rows: Iterable[Bar | None], seconds: int, since: int, until: int) -> tuple[Candle, ...]:
    """Ascending, one per time, on the grid of ``seconds``, closed in (since, until]."""
    by_close = {
        bar.opened + seconds: Candle(
            bar.opened + seconds, seconds, bar.open, high=bar.high, low=bar.low, close=bar.close
        )
        for bar in rows
        if bar is not None
        and not bar.partial
        and bar.opened % seconds == 0
        and since < bar.opened + seconds <= until
    }
    return tuple(by_close[at] for at in sorted(by_close))

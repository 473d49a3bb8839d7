"""Implied volatility from Deribit's public API: the option book's term structure, and the DVOL index.

DVOL is a 30-day variance-swap index; the book gives the horizon that is asked for. The book is preferred
while the two tell the same story; alone, either will do.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from keeper.domain.errors import FeedUnavailable
from keeper.domain.evidence import ImpliedReading
from keeper.domain.units import SECONDS_PER_HOUR
from keeper.feeds.term_structure import LEAST_IV, MOST_IV, option_marks, volatility_at

API = "/api/v2"
TIMEOUT_S = 8.0
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
MAX_BRACKETS = 10_000  # so nothing nests deeper; an option book has one per option
LOOK_BACK_S = 72 * SECONDS_PER_HOUR
CANDLE_S = SECONDS_PER_HOUR
BOOK_AFTER_BLOCK_S = 60
"""A book is made when it is asked for, after the block; one this close is stamped with the block's time."""

MOST_DISAGREEMENT = 1.6
"""Book over DVOL, or DVOL over book. At-the-money volatility lies some 5–15 % under a variance-swap index."""


@dataclass(frozen=True, slots=True)
class _Observation:
    volatility: float
    observed_at: int


class Deribit:
    """ports.ImpliedVolatility. ``base_url`` with or without /api/v2; ``timeout_s`` bounds each request."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        base = base_url.rstrip("/")
        self._api = base if base.endswith(API) else base + API
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._http = httpx.Client(timeout=httpx.Timeout(timeout_s), trust_env=False, transport=transport)

    def close(self) -> None:
        self._http.close()

    def read(self, underlyings: Sequence[str], as_of: int, horizon_s: int) -> tuple[ImpliedReading, ...]:
        """ports.ImpliedVolatility.read; two requests per underlying."""
        return tuple(self._reading(underlying, as_of, horizon_s) for underlying in underlyings)

    def _reading(self, underlying: str, as_of: int, horizon_s: int) -> ImpliedReading:
        index, no_index = _tried(lambda: self._index(underlying, as_of))
        book, no_book = _tried(lambda: self._book(underlying, as_of, horizon_s))
        days = f"{horizon_s / 86_400:g} d"
        if book is not None and (index is None or _agree(book, index)):
            reason = no_index if index is None else f"DVOL {index.volatility:.1%}"
            return _of(underlying, book, f"Deribit option book, at the money, {days}", reason)
        if index is not None and book is not None:
            # Contradictory: the one that asks for less risk.
            reason = (
                f"the option book says {book.volatility:.1%}, DVOL {index.volatility:.1%}: the higher counts"
            )
            return _of(underlying, max(book, index, key=lambda seen: seen.volatility), "Deribit", reason)
        if index is not None:
            return _of(underlying, index, "Deribit DVOL", no_book)
        return ImpliedReading(underlying, None, as_of, "Deribit", f"{no_index}; {no_book}")

    # ------------------------------------------------------------- the sources

    def _index(self, underlying: str, as_of: int) -> _Observation:
        """Close of the last hourly DVOL candle that was closed at ``as_of``. Raises FeedUnavailable."""
        what = f"DVOL {underlying}"
        result = self._call(
            what,
            "public/get_volatility_index_data",
            {
                "currency": underlying,
                "start_timestamp": (as_of - LOOK_BACK_S) * 1_000,
                "end_timestamp": as_of * 1_000,
                "resolution": str(CANDLE_S),
            },
        )
        candles = result.get("data") if isinstance(result, dict) else None
        if not isinstance(candles, list):
            raise _unavailable(what, "no candles in the answer")
        closed = [seen for seen in map(_candle, candles) if seen is not None and seen.observed_at <= as_of]
        if not closed:
            raise _unavailable(
                what, f"no usable value in the {LOOK_BACK_S // SECONDS_PER_HOUR} hours before the block"
            )
        return max(closed, key=lambda seen: seen.observed_at)

    def _book(self, underlying: str, as_of: int, horizon_s: int) -> _Observation:
        """At-the-money volatility to the horizon, from the book as it is now. Raises FeedUnavailable."""
        what = f"option book {underlying}"
        book = self._call(
            what, "public/get_book_summary_by_currency", {"currency": underlying, "kind": "option"}
        )
        if not isinstance(book, list):
            raise _unavailable(what, "not a list of options")
        made_at = max((_made_at(entry) for entry in book), default=0)
        if made_at > as_of + BOOK_AFTER_BLOCK_S:
            raise _unavailable(what, f"it is from {made_at - as_of} s after the block")
        volatility = volatility_at(option_marks(book), as_of, horizon_s)
        if volatility is None:
            raise _unavailable(what, "no expiry has marks around its forward")
        return _Observation(volatility, min(made_at, as_of))

    # ------------------------------------------------------------------- HTTP

    def _call(self, what: str, method: str, parameters: dict[str, Any]) -> Any:
        deadline = time.monotonic() + self._timeout_s
        try:
            with self._http.stream("GET", f"{self._api}/{method}", params=parameters) as response:
                status = response.status_code
                body = self._body(what, response, deadline)
        except httpx.TimeoutException as error:
            raise _unavailable(what, "timed out") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unavailable(what, f"no answer ({type(error).__name__})") from error
        # RecursionError is no guard: web3's dependencies raise its limit beyond what the stack holds.
        if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
            raise _unavailable(what, f"HTTP {status}, and more than {MAX_BRACKETS} brackets")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _unavailable(what, f"HTTP {status}, and the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise _unavailable(what, "the answer is not an object")
        error_body = answer.get("error")
        if isinstance(error_body, dict):
            raise _unavailable(what, f"error {error_body.get('code')} {error_body.get('message')!s:.80}")
        if status >= 300 or "result" not in answer:
            raise _unavailable(what, f"HTTP {status} without a result")
        return answer["result"]

    def _body(self, what: str, response: httpx.Response, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_response_bytes:
                raise _unavailable(what, f"the answer is larger than {self._max_response_bytes} bytes")
            if time.monotonic() > deadline:
                raise _unavailable(what, "timed out")
        return b"".join(chunks)


def _tried(source: Callable[[], _Observation]) -> tuple[_Observation | None, str]:
    """The observation, or why there is none."""
    try:
        return source(), ""
    except FeedUnavailable as error:
        return None, error.message


def _candle(candle: object) -> _Observation | None:
    """[open time in ms, open, high, low, close in percent]; None where it is not that."""
    if not isinstance(candle, list) or len(candle) < 5:
        return None
    opened, close = candle[0], candle[4]
    if isinstance(close, bool) or not isinstance(opened, int) or not isinstance(close, int | float):
        return None
    if not math.isfinite(close) or not LEAST_IV <= close < MOST_IV:
        return None
    return _Observation(close / 100, opened // 1_000 + CANDLE_S)


def _made_at(entry: object) -> int:
    stamp = entry.get("creation_timestamp") if isinstance(entry, dict) else None
    return stamp // 1_000 if isinstance(stamp, int) else 0


def _agree(book: _Observation, index: _Observation) -> bool:
    ratio = book.volatility / index.volatility
    return 1 / MOST_DISAGREEMENT <= ratio <= MOST_DISAGREEMENT


def _of(underlying: str, seen: _Observation, source: str, reason: str) -> ImpliedReading:
    return ImpliedReading(underlying, seen.volatility, seen.observed_at, source, reason)


def _unavailable(what: str, why: str) -> FeedUnavailable:
    return FeedUnavailable(
        f"{what}: {why}", remedy="The estimate falls back to realised volatility; check Deribit."
    )

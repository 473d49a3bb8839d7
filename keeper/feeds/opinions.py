"""Prices of exchanges as opinions. All exchanges are asked in parallel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

from keeper.domain.errors import KeeperError
from keeper.domain.prices import Opinion
from keeper.feeds.binance import Binance
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.coinbase import Coinbase
from keeper.feeds.http import number
from keeper.feeds.kraken import Kraken

CANDLE_VENUES: Mapping[str, type[CandleVenue]] = {venue.name: venue for venue in (Coinbase, Kraken, Binance)}
MAX_THREADS = 8
DEADLINE_S = 10.0
MAX_AHEAD_S = 60


class PriceVenue(Protocol):
    """An exchange that quotes prices. Threads share it."""

    @property
    def name(self) -> str: ...

    def price(self, reference: str, as_of: int) -> tuple[float, int]:
        """USD, and the Unix second of the price. Raises FeedUnavailable."""
        ...

    def close(self) -> None: ...


class Exchanges:
    """Several venues as one source. ``deadline_s`` bounds one reading of all venues. A price that is more than
    ``max_age_s`` older than the block does not count."""

    def __init__(
        self, venues: Sequence[PriceVenue], *, max_age_s: int, deadline_s: float = DEADLINE_S
    ) -> None:
        self._venues = tuple(venues)
        self._max_age_s = max_age_s
        self._deadline_s = deadline_s

    def close(self) -> None:
        """Closes the venues' connections."""
        for venue in self._venues:
            venue.close()

    def read(self, references: Mapping[str, str], as_of: int) -> tuple[Opinion, ...]:
        """``references`` maps token symbols to the venues' names, such as "ETH".

        One opinion per symbol and venue, in the order of symbols, then venues. It never raises: a failure becomes an
        opinion without a price and with the reason.
        """
        asked = [(symbol, venue) for symbol in references for venue in self._venues]
        if not asked:
            return ()
        threads = ThreadPoolExecutor(min(MAX_THREADS, len(asked)), thread_name_prefix="exchange")
        answers = [threads.submit(venue.price, references[symbol], as_of) for symbol, venue in asked]
        wait(answers, timeout=self._deadline_s)
        # A late venue is not awaited. Its own deadline ends its request.
        threads.shutdown(wait=False, cancel_futures=True)
        return tuple(
            self._opinion(symbol, venue.name, answer, as_of=as_of)
            for (symbol, venue), answer in zip(asked, answers, strict=True)
        )

    def _opinion(self, symbol: str, source: str, answer: Future[tuple[float, int]], as_of: int) -> Opinion:
        if answer.cancelled() or not answer.done():
            return Opinion(
                symbol,
                source,
                None,
                observed_at=as_of,
                reason=f"{source}: no answer in {self._deadline_s:g} s",
            )
        error = answer.exception()
        if error is not None:
            reason = error.message if isinstance(error, KeeperError) else f"{source}: {error!r:.120}"
            return Opinion(symbol, source, None, observed_at=as_of, reason=reason)
        price, observed_at = answer.result()
        reason = self._why_not(price, observed_at, as_of)
        return Opinion(symbol, source, None if reason else price, observed_at=observed_at, reason=reason)

    def _why_not(self, price: float, observed_at: int, as_of: int) -> str:
        """Why the price does not count; empty if it counts."""
        if (number(price) or 0.0) <= 0.0:
            return f"{price!r:.40} is not a price"
        if observed_at > as_of + MAX_AHEAD_S:
            return f"it is dated {observed_at - as_of} s after the block"
        if observed_at < as_of - self._max_age_s:
            return f"it is {as_of - observed_at} s old, more than {self._max_age_s} s"
        return ""

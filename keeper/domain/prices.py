"""Prices from other sources than the vault's feeds, and what earlier cycles saw of the feeds."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.market import FeedReading, Trust

MARKET_CLOSED = "market_closed"
"""The rule of a price that is the last one before its market closed. It is STALE, and nobody knows a newer one."""


def is_doubted(reading: FeedReading) -> bool:
    """Whether a price is doubted. That of a closed market is not: by its own calendar nobody has a newer one."""
    return reading.trust is not Trust.FRESH and reading.rule != MARKET_CLOSED


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed bar. Prices are USD; ``closed_at`` is the Unix second of its end, ``seconds`` its length."""

    closed_at: int
    seconds: int
    open: float
    high: float
    low: float
    close: float


def exchange_series(symbol: str, exchange: str) -> str:
    """The name under which an exchange's candles of an asset are kept apart from other sources': "WETH@kraken"."""
    return f"{symbol}@{exchange}"


def asset_of_series(name: str) -> str:
    """The asset of an ``exchange_series``."""
    return name.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Opinion:
    """Another source's price of an asset, USD. ``price_usd`` is None where the source has no usable price; ``reason``
    says why, and is empty otherwise. ``observed_at`` is the Unix second at which the price was valid."""

    symbol: str
    source: str
    price_usd: float | None
    observed_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class FeedMemory:
    """What earlier cycles saw of the feed at address ``feed``.

    ``last_round_id`` and ``last_updated_at`` are of the newest round. ``fresh_answer`` is the last FRESH answer and
    ``fresh_at`` the time of its block; both are 0 where there was none. ``block_time_streak`` counts the observations
    in a row, each at a later block, whose ``updatedAt`` was that block's own time. ``observed_at`` is the block time
    of the last observation."""

    symbol: str
    feed: str
    last_round_id: int
    last_updated_at: int
    fresh_answer: int
    fresh_at: int
    block_time_streak: int
    observed_at: int

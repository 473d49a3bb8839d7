"""Prices from elsewhere than the vault's own feeds: candles of history, and opinions on what a feed says now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar that has closed: prices in USD, ``closed_at`` the Unix second at which it ended, ``seconds`` its
    length."""

    closed_at: int
    seconds: int
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """What another source says an asset is worth, USD. ``price_usd`` is None where it has no usable word on it;
    ``reason`` then says why. ``observed_at``: Unix second at which the price was true."""

    symbol: str
    source: str
    price_usd: float | None
    observed_at: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FeedMemory:
    """What earlier cycles saw of one token's feed, which is at ``feed``: the newest round (its id and updatedAt), and
    the last answer that was FRESH with the block time ``fresh_at`` of that look, zeros for none. ``always_now``: on
    how many looks in a row, each at a later block, ``updatedAt`` was that block's own time. ``looked_at`` is the block
    time of the last look."""

    symbol: str
    feed: str
    last_round_id: int
    last_updated_at: int
    accepted: int
    fresh_at: int
    always_now: int
    looked_at: int

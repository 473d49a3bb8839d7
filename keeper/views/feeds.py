"""The price feeds of a cycle, that of the accounting asset included, with their ages and verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.market import FeedReading, MarketSnapshot
from keeper.views import formats as unit
from keeper.views.view import Field, View


@dataclass(frozen=True, slots=True)
class FeedRow:
    """``age_s`` is the age of the feed's last round at the block, seconds."""

    feed: FeedReading
    age_s: int


FEED = View[FeedRow](
    "feeds",
    symbol=Field(unit.TEXT, "The asset.", "feed.symbol"),
    price_usd=Field(unit.PRICE, "The feed's price.", "feed.price_usd"),
    age_s=Field(unit.SECONDS, "Age of that price at the block."),
    max_age_s=Field(unit.SECONDS, "Age up to which it is fresh.", "feed.max_age_s"),
    trust=Field(unit.TEXT, "Use of the price: FRESH, STALE, SUSPECT or DEAD.", "feed.trust"),
    rule=Field(unit.TEXT, "The rule of prices.md that it broke; empty if FRESH.", "feed.rule"),
    reason=Field(unit.TEXT, "Why it is not FRESH; empty if it is.", "feed.reason"),
)


def feed_rows(snapshot: MarketSnapshot) -> tuple[FeedRow, ...]:
    """In the order of the snapshot's tokens."""
    now = snapshot.block.timestamp
    return tuple(FeedRow(feed, now - feed.round.updated_at) for feed in snapshot.feeds)

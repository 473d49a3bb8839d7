"""Every reason not to trust a price, by name: the verdict and its meaning.

FRESH allows every trade; STALE and SUSPECT allow only trades that lower risk; DEAD allows no trade of the asset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.market import FeedReading, Trust
from keeper.domain.prices import MARKET_CLOSED


@dataclass(frozen=True, slots=True)
class Rule:
    """``name`` and ``meaning`` are shown to operators; docs/prices.md has the same text."""

    name: str
    trust: Trust
    meaning: str

    def applied_to(self, reading: FeedReading, why: str) -> FeedReading:
        """The reading with this rule's verdict; ``why`` has the numbers."""
        return replace(reading, trust=self.trust, rule=self.name, reason=f"{reading.symbol}: {why}")


NO_ROUND = Rule("no_round", Trust.DEAD, "the feed returns no round: it reverts, or it never had an answer")
NOT_POSITIVE = Rule("not_positive", Trust.DEAD, "the answer is zero or negative")
FROM_FUTURE = Rule(
    "from_future", Trust.SUSPECT, "the answer's timestamp is later than that of the block it was read in"
)
WENT_BACK = Rule("went_back", Trust.SUSPECT, "the round's number is lower than one that was seen before")
TIME_WENT_BACK = Rule(
    "time_went_back", Trust.SUSPECT, "the answer's timestamp is earlier than one that was seen before"
)
TOO_OLD = Rule(
    "too_old", Trust.STALE, "the answer is older than heartbeat plus grace, or older than the vault accepts"
)
CLOSED = Rule(
    MARKET_CLOSED,
    Trust.STALE,
    "the asset's market is closed (`assets[].closed`), and no other source has a price",
)
AT_BOUND = Rule(
    "at_bound",
    Trust.SUSPECT,
    "the answer is the lowest or the highest that the aggregator can report, so the price may be beyond it",
)
JUMPED = Rule(
    "jumped",
    Trust.SUSPECT,
    "the answer is further from the last accepted one than a market moves in that time, and no other source "
    "confirms it",
)
ALWAYS_NOW = Rule(
    "always_now",
    Trust.SUSPECT,
    "the answer had the block's own timestamp in three blocks in a row, so its age is unknown, and no other source "
    "confirms it",
)
DISAGREES = Rule(
    "disagrees",
    Trust.SUSPECT,
    "the answer is further from the median of all sources than the feed's deviation threshold and the tolerance allow",
)
BELOW_RATE = Rule(
    "below_rate",
    Trust.SUSPECT,
    "the answer counts a redemption rate (`oracle.feeds[].rate_based`), and the market pays less for the token than "
    "the feed's deviation threshold and the tolerance allow",
)

RULES = (
    NO_ROUND,
    NOT_POSITIVE,
    FROM_FUTURE,
    WENT_BACK,
    TIME_WENT_BACK,
    TOO_OLD,
    CLOSED,
    AT_BOUND,
    JUMPED,
    ALWAYS_NOW,
    DISAGREES,
    BELOW_RATE,
)

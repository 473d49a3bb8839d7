"""Every reason not to believe a price, by name: what it allows and what it means.

FRESH trades; STALE and SUSPECT only lower risk; DEAD: the asset is neither bought nor sold.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.market import Trust


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    trust: Trust
    meaning: str


NO_ROUND = Rule("no_round", Trust.DEAD, "the feed gives no round: it reverts, or was never answered")
NOT_POSITIVE = Rule("not_positive", Trust.DEAD, "the answer is zero or negative")
FROM_FUTURE = Rule("from_future", Trust.SUSPECT, "the answer is stamped later than the block it was read in")
WENT_BACK = Rule("went_back", Trust.SUSPECT, "the round's number is below one that was seen before")
TIME_WENT_BACK = Rule(
    "time_went_back", Trust.SUSPECT, "a newer round is stamped earlier than one that was seen before"
)
TOO_OLD = Rule(
    "too_old", Trust.STALE, "the answer is older than heartbeat and grace, or than the vault takes"
)
AT_BOUND = Rule(
    "at_bound",
    Trust.SUSPECT,
    "the answer is the least or the most that the aggregator can say, so the price may be beyond it",
)
JUMPED = Rule(
    "jumped",
    Trust.SUSPECT,
    "the answer is further from the last accepted one than a market moves in that time, unconfirmed by other sources",
)
ALWAYS_NOW = Rule(
    "always_now",
    Trust.SUSPECT,
    "the answer bears the block's own time at every look, so its age says nothing, and no other source confirms it",
)
DISAGREES = Rule(
    "disagrees",
    Trust.SUSPECT,
    "the answer is further from the median of all sources than the feed's deviation explains",
)

RULES = (
    NO_ROUND,
    NOT_POSITIVE,
    FROM_FUTURE,
    WENT_BACK,
    TIME_WENT_BACK,
    TOO_OLD,
    AT_BOUND,
    JUMPED,
    ALWAYS_NOW,
    DISAGREES,
)

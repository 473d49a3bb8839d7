"""Which prices may be believed, each beside what was seen before and what others say.

A verdict is never better than what the round says about itself (``alone``), and judging twice gives the same as once,
so that a replay judges again.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from keeper.domain.market import FeedReading, MarketSnapshot, Trust, lowest_trust
from keeper.domain.policy import FeedPolicy, OraclePolicy
from keeper.domain.prices import FeedMemory, Opinion
from keeper.domain.units import BPS, SECONDS_PER_HOUR, USD
from keeper.oracle import rules
from keeper.oracle.rules import Rule
from keeper.oracle.twap import twap_opinions
from keeper.oracle.verdict import with_finding

ALWAYS = 3
"""Looks in a row, each at a later block, at which a stamp that is the block's own is no accident any more."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A feed's price beside the median of all usable sources, the feed among them; ``gap_bps`` is how far apart."""

    price_usd: float
    median_usd: float
    others: int
    gap_bps: float


def judged(
    snapshot: MarketSnapshot,
    opinions: Sequence[Opinion],
    memory: Sequence[FeedMemory],
    policy: OraclePolicy,
) -> MarketSnapshot:
    """The snapshot with each feed's verdict."""
    said = (*twap_opinions(snapshot, policy), *opinions)
    remembered = {one.symbol: one for one in memory}
    now = snapshot.block.timestamp
    return replace(
        snapshot,
        feeds=tuple(
            _judge(reading, now, said, remembered.get(reading.symbol), policy) for reading in snapshot.feeds
        ),
    )


def agreement(
    reading: FeedReading, opinions: Sequence[Opinion], now: int, policy: OraclePolicy
) -> Agreement | None:
    """None where no other source has a usable word on it."""
    others = [one.price_usd for one in usable(opinions, reading.symbol, now, policy)]
    if not others or reading.price <= 0:
        return None
    price = reading.price_usd
    # Of two that disagree neither is known to be right: the whole gap counts, not the half to their mean.
    middle = others[0] if len(others) == 1 else statistics.median([price, *others])
    return Agreement(price, middle, len(others), abs(price - middle) / middle * BPS)


def usable(opinions: Sequence[Opinion], symbol: str, now: int, policy: OraclePolicy) -> list[_Said]:
    """Those with a price of the symbol that is young enough."""
    return [
        _Said(one.source, one.price_usd)
        for one in opinions
        if one.symbol == symbol
        and one.price_usd is not None
        and math.isfinite(one.price_usd)
        and one.price_usd > 0
        and now - one.observed_at <= policy.opinion_max_age_s
    ]


@dataclass(frozen=True, slots=True)
class _Said:
    source: str
    price_usd: float


def _judge(
    reading: FeedReading,
    now: int,
    opinions: Sequence[Opinion],
    memory: FeedMemory | None,
    policy: OraclePolicy,
) -> FeedReading:
    if reading.trust is Trust.DEAD:
        return reading
    feed, agreed = policy.feed(reading.symbol), agreement(reading, opinions, now, policy)
    found = _findings(reading, now, agreed, memory, feed, policy)
    return lowest_trust([reading, *(with_finding(reading, rule, why) for rule, why in found)])


def _findings(
    reading: FeedReading,
    now: int,
    agreed: Agreement | None,
    memory: FeedMemory | None,
    feed: FeedPolicy,
    policy: OraclePolicy,
) -> Iterator[tuple[Rule, str]]:
    band = feed.deviation_bps + policy.disagreement_bps
    confirmed = agreed is not None and agreed.gap_bps <= band
    if agreed is not None and not confirmed:
        said = f"it says {agreed.price_usd:,.6g} USD, the median with {agreed.others} other source(s) is "
        yield (
            rules.DISAGREES,
            f"{said}{agreed.median_usd:,.6g}: {agreed.gap_bps:,.0f} bps apart, at most {band}",
        )
    if memory is not None:
        yield from _beside_memory(reading, now, memory, feed, confirmed=confirmed)
    if feed.heartbeat_s is not None:
        age, limit = now - reading.round.updated_at, feed.heartbeat_s + feed.grace_s
        if age > limit:
            yield (
                rules.TOO_OLD,
                f"the last answer is {age} s old, its heartbeat is {feed.heartbeat_s} s and {feed.grace_s} s of grace",
            )


def _beside_memory(
    reading: FeedReading, now: int, memory: FeedMemory, feed: FeedPolicy, *, confirmed: bool
) -> Iterator[tuple[Rule, str]]:
    latest, same_feed = reading.round, reading.feed == memory.feed
    if same_feed and latest.round_id < memory.last_round_id:
        yield rules.WENT_BACK, f"the feed went back from round {memory.last_round_id} to {latest.round_id}"
    elif same_feed and latest.updated_at < memory.last_updated_at:
        back = memory.last_updated_at - latest.updated_at
        yield rules.TIME_WENT_BACK, f"round {latest.round_id} is stamped {back} s before one seen earlier"
    if confirmed:
        return
    if memory.fresh_answer > 0:
        elapsed = now - memory.fresh_at
        jump, most = abs(math.log(reading.price / memory.fresh_answer)), largest_jump(elapsed, feed)
        if jump > most:
            moved = f"from {memory.fresh_answer / USD:,.6g} to {reading.price_usd:,.6g} USD in {elapsed} s"
            believed = f"where {math.exp(most):.3g} is believed without another source"
            yield rules.JUMPED, f"{moved}, a factor of {math.exp(jump):.3g} {believed}"
    if same_feed and always_now(latest.updated_at, now, memory) >= ALWAYS:
        yield rules.ALWAYS_NOW, f"stamped with the block's own time {ALWAYS} looks in a row"


def largest_jump(elapsed_s: int, feed: FeedPolicy) -> float:
    """Of the logarithm of the price, ``elapsed_s`` after it was last accepted."""
    return math.log1p(feed.max_jump) * math.sqrt(max(1.0, elapsed_s / SECONDS_PER_HOUR))


def always_now(updated_at: int, now: int, memory: FeedMemory) -> int:
    """Looks in a row that found the block's own time, this one counted; a look at the same block counts once."""
    if updated_at != now:
        return 0
    return memory.block_time_streak + (now > memory.observed_at)

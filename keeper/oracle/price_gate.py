"""The price gate: compares each feed with its history and with second opinions.

A verdict is never better than that of the round alone (``single_feed_rules``). Judging a judged snapshot again changes
nothing, so a replay can repeat it.
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
from keeper.oracle.memory import block_time_streak
from keeper.oracle.rules import Rule
from keeper.oracle.twap import twap_opinions

SUSPICIOUS_STREAK = 3
"""Blocks in a row with the block's own time as ``updatedAt``. One or two can be an accident."""

HIGHEST_PRICE_USD = 1e12
"""No token costs more. A source that says so is wrong, or lies."""


def judged(
    snapshot: MarketSnapshot,
    opinions: Sequence[Opinion],
    memory: Sequence[FeedMemory],
    policy: OraclePolicy,
) -> MarketSnapshot:
    """The snapshot with each feed's verdict and the extremes of its second opinions. Its pools give opinions of their
    own. Where the native coin has the feed of a token, that verdict is its own too."""
    all_opinions = (*twap_opinions(snapshot, policy), *opinions)
    memory_of = {feed.symbol: feed for feed in memory}
    now = snapshot.block.timestamp
    feeds = tuple(
        _judged_feed(
            _Case(
                reading=reading,
                now=now,
                prices=usable_prices(all_opinions, reading.symbol, now, policy=policy),
                memory=memory_of.get(reading.symbol),
                feed=policy.feed(reading.symbol),
                disagreement_bps=policy.disagreement_bps,
            )
        )
        for reading in snapshot.feeds
    )
    coin = snapshot.native_coin
    if coin is not None:
        coin = next((reading for reading in feeds if reading.feed == coin.feed), coin)
    return replace(snapshot, feeds=feeds, native_coin=coin)


def usable_opinions(
    snapshot: MarketSnapshot, opinions: Sequence[Opinion], policy: OraclePolicy
) -> dict[str, int]:
    """By token, how many sources other than its feed have a usable price. A pool is one of them."""
    now, all_opinions = snapshot.block.timestamp, (*twap_opinions(snapshot, policy), *opinions)
    return {
        symbol: len(usable_prices(all_opinions, symbol, now, policy=policy)) for symbol in snapshot.symbols
    }


def usable_prices(
    opinions: Sequence[Opinion], symbol: str, now: int, *, policy: OraclePolicy
) -> tuple[float, ...]:
    """USD prices of the symbol, one of each source, from opinions that have a possible one and are at most
    ``opinion_max_age_s`` from the block's time."""
    by_source = {
        opinion.source: opinion.price_usd
        for opinion in opinions
        if opinion.symbol == symbol
        and opinion.price_usd is not None
        and 0.0 < opinion.price_usd <= HIGHEST_PRICE_USD
        and abs(now - opinion.observed_at) <= policy.opinion_max_age_s
    }
    return tuple(by_source.values())


@dataclass(frozen=True, slots=True)
class _Case:
    """A reading and everything that it is compared with; ``prices`` are those of other sources."""

    reading: FeedReading
    now: int
    prices: tuple[float, ...]
    memory: FeedMemory | None
    feed: FeedPolicy
    disagreement_bps: int


@dataclass(frozen=True, slots=True)
class _Agreement:
    """A feed's gap to the median of all sources, the feed among them, and the largest gap that is allowed."""

    median_usd: float
    gap_bps: float
    max_gap_bps: int

    @property
    def confirms(self) -> bool:
        return self.gap_bps <= self.max_gap_bps


def _judged_feed(case: _Case) -> FeedReading:
    reading = replace(
        case.reading,
        lowest_opinion=math.floor(min(case.prices, default=0.0) * USD),
        highest_opinion=math.ceil(max(case.prices, default=0.0) * USD),
    )
    if reading.trust is Trust.DEAD:
        return reading
    verdicts = [rule.applied_to(reading, why) for rule, why in _findings(case)]
    # Of equals the first is named. ``below_rate`` forbids more than the others.
    below = [verdict for verdict in verdicts if verdict.rule == rules.BELOW_RATE.name]
    return lowest_trust([*below, reading, *verdicts])


def _findings(case: _Case) -> Iterator[tuple[Rule, str]]:
    agreement, price = _agreement(case), case.reading.price_usd
    if (
        agreement is not None
        and not agreement.confirms
        and case.feed.rate_based
        and price > agreement.median_usd
    ):
        why = (
            f"the market pays {agreement.median_usd:,.6g} USD, {agreement.gap_bps:,.0f} bps below the {price:,.6g} USD "
            f"of its redemption rate, at most {agreement.max_gap_bps}"
        )
        yield rules.BELOW_RATE, why
    elif agreement is not None and not agreement.confirms:
        why = (
            f"the feed reports {price:,.6g} USD, the median with {len(case.prices)} other source(s) is "
            f"{agreement.median_usd:,.6g}: {agreement.gap_bps:,.0f} bps apart, at most {agreement.max_gap_bps}"
        )
        yield rules.DISAGREES, why
    if case.memory is not None:
        yield from _backward_findings(case, case.memory)
        if agreement is None or not agreement.confirms:
            yield from _unconfirmed_findings(case, case.memory)
    too_old = _too_old(case)
    if too_old:
        yield rules.TOO_OLD, too_old
    elif case.feed.closed is not None and agreement is None and not case.feed.closed.is_open(case.now):
        yield rules.CLOSED, "its market is closed, and no other source has a price"


def _too_old(case: _Case) -> str:
    """Why the answer is older than heartbeat and grace, by open hours where the market closes; empty if it is not."""
    feed, updated_at = case.feed, case.reading.round.updated_at
    if feed.heartbeat_s is None:
        return ""
    age, limit = case.now - updated_at, feed.heartbeat_s + feed.grace_s
    in_hours = ""
    if feed.closed is not None and age > limit:
        age, in_hours = feed.closed.open_seconds(updated_at, case.now), " in open hours"
    if age <= limit:
        return ""
    return (
        f"the last answer is {age} s old{in_hours}, at most {limit} s are allowed: "
        f"{feed.heartbeat_s} s of heartbeat and {feed.grace_s} s of grace"
    )


def _agreement(case: _Case) -> _Agreement | None:
    """None without a usable price of another source."""
    if not case.prices:
        return None
    price = case.reading.price_usd
    # With one other source nobody knows which of the two is right. Their median would halve the gap, so the whole gap
    # counts.
    median = case.prices[0] if len(case.prices) == 1 else statistics.median([price, *case.prices])
    return _Agreement(
        median_usd=median,
        gap_bps=abs(price - median) / median * BPS,
        max_gap_bps=case.feed.deviation_bps + case.disagreement_bps,
    )


def _backward_findings(case: _Case, memory: FeedMemory) -> Iterator[tuple[Rule, str]]:
    latest = case.reading.round
    if case.reading.feed != memory.feed:
        return
    if latest.round_id < memory.last_round_id:
        yield rules.WENT_BACK, f"the feed went back from round {memory.last_round_id} to {latest.round_id}"
    elif latest.updated_at < memory.last_updated_at:
        back = memory.last_updated_at - latest.updated_at
        yield (
            rules.TIME_WENT_BACK,
            f"the timestamp of round {latest.round_id} is {back} s before one that was seen before",
        )


def _unconfirmed_findings(case: _Case, memory: FeedMemory) -> Iterator[tuple[Rule, str]]:
    """Rules that another source within the tolerance overrules."""
    reading = case.reading
    if memory.fresh_answer > 0:
        elapsed = case.now - memory.fresh_at
        jump, limit = abs(math.log(reading.price / memory.fresh_answer)), _max_log_jump(elapsed, case.feed)
        if jump > limit:
            why = (
                f"from {memory.fresh_answer / USD:,.6g} to {reading.price_usd:,.6g} USD in {elapsed} s, a factor of "
                f"{math.exp(jump):.3g}; without another source at most {math.exp(limit):.3g} is accepted"
            )
            yield rules.JUMPED, why
    streak = block_time_streak(reading.round.updated_at, case.now, memory)
    if reading.feed == memory.feed and streak >= SUSPICIOUS_STREAK:
        yield rules.ALWAYS_NOW, f"the timestamp was the block's own in {streak} blocks in a row"


def _max_log_jump(elapsed_s: int, feed: FeedPolicy) -> float:
    """Largest accepted move of the price's logarithm, ``elapsed_s`` after it was last accepted.

    ``max_jump`` within an hour, then growing with the square root of time, as a random walk does.
    """
    return math.log1p(feed.max_jump) * math.sqrt(max(1.0, elapsed_s / SECONDS_PER_HOUR))

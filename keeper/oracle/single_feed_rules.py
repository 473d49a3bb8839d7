"""Rules on a feed's last round alone, without other sources and without memory."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.domain.market import FeedReading, Round, lowest_trust
from keeper.oracle import rules
from keeper.oracle.rules import Rule


def single_feed_verdicts(reading: FeedReading, now: int) -> FeedReading:
    """The reading with its verdict at block time ``now``."""
    verdicts = [rule.applied_to(reading, why) for rule, why in _findings(reading, now)]
    return lowest_trust(verdicts) if verdicts else reading


def _findings(reading: FeedReading, now: int) -> Iterator[tuple[Rule, str]]:
    latest = reading.round
    if latest == Round(0, 0, 0):
        yield rules.NO_ROUND, "the feed returns no round"
        return
    if latest.answer <= 0:
        yield rules.NOT_POSITIVE, f"the feed's answer is {latest.answer}, not a price"
        return
    if latest.updated_at > now:
        yield (
            rules.FROM_FUTURE,
            f"the last answer's timestamp is {latest.updated_at - now} s after the block's",
        )
    if reading.min_answer and latest.answer <= reading.min_answer:
        yield rules.AT_BOUND, f"the answer {latest.answer} is the lowest that the aggregator can report"
    if reading.max_answer and latest.answer >= reading.max_answer:
        yield rules.AT_BOUND, f"the answer {latest.answer} is the highest that the aggregator can report"
    age = now - latest.updated_at
    if age > reading.max_age_s:
        yield (
            rules.TOO_OLD,
            f"the last answer is {age} s old, at most {reading.max_age_s} s are allowed",
        )

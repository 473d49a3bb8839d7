"""What a round says about itself: no other source, nothing remembered."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.domain.market import FeedReading, Round, lowest_trust
from keeper.oracle import rules
from keeper.oracle.rules import Rule
from keeper.oracle.verdict import with_finding


def single_feed_verdicts(reading: FeedReading, now: int) -> FeedReading:
    """The reading with its verdict at block time ``now``."""
    judged = [with_finding(reading, rule, why) for rule, why in _findings(reading, now)]
    return lowest_trust(judged) if judged else reading


def _findings(reading: FeedReading, now: int) -> Iterator[tuple[Rule, str]]:
    latest: Round = reading.round
    if latest == Round(0, 0, 0):
        yield rules.NO_ROUND, "the feed gives no round"
        return
    if latest.answer <= 0:
        yield rules.NOT_POSITIVE, f"the feed's answer is {latest.answer}, not a price"
        return
    if latest.updated_at > now:
        yield rules.FROM_FUTURE, f"the last answer is {latest.updated_at - now} s in the block's future"
    if reading.min_answer and latest.answer <= reading.min_answer:
        yield rules.AT_BOUND, f"the answer {latest.answer} is the least that the aggregator can say"
    if reading.max_answer and latest.answer >= reading.max_answer:
        yield rules.AT_BOUND, f"the answer {latest.answer} is the most that the aggregator can say"
    age = now - latest.updated_at
    if age > reading.max_age_s:
        yield (
            rules.TOO_OLD,
            f"the last answer is {age} s old, at most {reading.max_age_s} s are allowed",
        )

"""A finding on a reading, and which of several counts."""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.market import FeedReading
from keeper.oracle.rules import Rule


def with_finding(reading: FeedReading, rule: Rule, why: str) -> FeedReading:
    """The reading as this one rule sees it."""
    return replace(reading, trust=rule.trust, rule=rule.name, reason=f"{reading.symbol}: {why}")

"""Recorded rounds through the gate as a keeper would have met them, one look after another."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from keeper.domain.market import FeedReading, MarketSnapshot, Round, Trust
from keeper.domain.policy import FeedPolicy
from keeper.domain.prices import FeedMemory, Opinion
from keeper.oracle.memory import updated_memory
from keeper.oracle.price_gate import judged
from keeper.oracle.single_feed_rules import single_feed_verdicts
from tests.factories import a_block, a_snapshot, an_oracle_policy

DATA = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
SYMBOL = "ASSET"


@dataclass(frozen=True)
class Look:
    """A round as it stands at ``at``, what others say then, and what is true as far as anybody knows (USD)."""

    at: int
    round: Round
    opinions: tuple[float, ...] = ()
    truth: float | None = None


@dataclass
class Counts:
    good: int = 0
    good_refused: int = 0
    bad: int = 0
    bad_accepted: int = 0
    rules: dict[str, int] = field(default_factory=dict)

    @property
    def refused_share(self) -> float:
        return self.good_refused / self.good

    def __str__(self) -> str:
        return (
            f"{self.good} good, {self.good_refused} of them refused ({self.refused_share:.2%}); "
            f"{self.bad} bad, {self.bad_accepted} of them accepted; {self.rules}"
        )


class Gate:
    """One feed, judged look by look; remembers as the journal does."""

    def __init__(self, feed: FeedPolicy) -> None:
        self.policy = an_oracle_policy(replace(feed, symbol=SYMBOL))
        self.max_age_s = (feed.heartbeat_s or 86_400) + feed.grace_s
        self.memory: tuple[FeedMemory, ...] = ()

    def verdict(self, look: Look, *, keep: bool = True) -> FeedReading:
        told = FeedReading(
            SYMBOL, "0xfeed", look.round, self.max_age_s, Trust.FRESH, "", rule="", min_answer=0, max_answer=0
        )
        snapshot: MarketSnapshot = replace(
            a_snapshot(), block=a_block(timestamp=look.at), feeds=(single_feed_verdicts(told, look.at),)
        )
        opinions = [
            Opinion(SYMBOL, f"source {place}", price, look.at, reason="")
            for place, price in enumerate(look.opinions)
        ]
        after = judged(snapshot, opinions, self.memory, self.policy)
        if keep:
            self.memory = updated_memory(self.memory, after)
        return after.feeds[0]


def counted(looks: Iterable[Look], feed: FeedPolicy, bad_bps: float) -> Counts:
    """A price further than ``bad_bps`` from what was true is bad; any other is good, also where nobody knows better."""
    counts, gate = Counts(), Gate(feed)
    for look in looks:
        reading = gate.verdict(look)
        accepted = reading.trust is Trust.FRESH
        off = 0.0 if look.truth is None else abs(reading.price_usd / look.truth - 1) * 1e4
        if off > bad_bps:
            counts.bad += 1
            counts.bad_accepted += accepted
        else:
            counts.good += 1
            counts.good_refused += not accepted
        if not accepted:
            counts.rules[reading.rule] = counts.rules.get(reading.rule, 0) + 1
    return counts


def rounds(name: str, decimals: int, start: str, end: str) -> list[Round]:
    """Of one file, with 8 decimals, in the order in which they were answered."""
    first, last = instant(start), instant(end)
    with (DATA / name).open(encoding="utf-8") as file:
        found = [
            Round(int(row["round_id"]), int(row["answer"]) // 10 ** (decimals - 8), int(row["updated_at"]))
            for row in csv.DictReader(file)
        ]
    return [one for one in sorted(found, key=lambda one: one.round_id) if first <= one.updated_at < last]


def column(name: str, time: str, value: str, start: str, end: str) -> dict[int, float]:
    first, last = instant(start), instant(end)
    with (DATA / name).open(encoding="utf-8") as file:
        rows = ((instant(row[time]), row[value]) for row in csv.DictReader(file) if row[value])
        return {at: float(number) for at, number in rows if first <= at < last}


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=UTC).timestamp())


def as_answered(
    found: Sequence[Round], closes: dict[int, float] | None = None, near_s: int = 300
) -> list[Look]:
    """Each round ten seconds after it was stamped, beside an hourly close where one is at most ``near_s`` old."""
    looks = []
    for one in found:
        at = one.updated_at + 10
        close = (closes or {}).get(at - at % 3_600) if at % 3_600 <= near_s else None
        looks.append(Look(at, one, (close,) if close is not None else ()))
    return looks


def every_hour(found: Sequence[Round], closes: dict[int, float]) -> list[Look]:
    """The newest round at each hour that has a close, beside that close."""
    looks, place = [], -1
    for hour in sorted(closes):
        while place + 1 < len(found) and found[place + 1].updated_at <= hour:
            place += 1
        if place >= 0:
            looks.append(Look(hour, found[place], (closes[hour],), closes[hour]))
    return looks

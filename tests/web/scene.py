"""A vault whose cycles went on for a while: records, a journal that holds them, and the daemon beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.prices import Opinion
from keeper.domain.record import Conclusions, CycleOutcome, DecisionRecord, Mode, NodeUse
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.monitoring.daemon_state import DaemonState, after
from keeper.monitoring.events import CycleBegan, CycleEnded, Event, Started
from keeper.sizing.size import size
from tests.decision.decided import decided
from tests.factories import (
    NOW,
    a_fire_drill,
    a_model,
    a_policy,
    a_snapshot,
    with_block,
    with_feed,
    with_market_move,
)
from tests.monitoring.reported import a_failed_record
from tests.views.records import a_record

EVERY_S = 900
WEIGHTS = (0.504, 0.440, 0.306, 0.296)
"""Those of the target."""
NODES = (
    NodeUse("https://node-a.example/********", 7, 182_000, ""),
    NodeUse("https://node-b.example/********", 7, 181_400, "4 blocks behind"),
)


def a_look(place: int = 0, *, leverage: float = 1.546, fall: float = 1.0, **changes: Any) -> DecisionRecord:
    """The record of a cycle ``place`` intervals after ``NOW``, decided on a levered vault after a joint ``fall`` of the
    assets, which is a factor of their prices."""
    at = NOW + place * EVERY_S
    snapshot = with_block(
        a_snapshot(weights=WEIGHTS, leverage=leverage), timestamp=at, number=17_000_000 + place
    )
    for feed in snapshot.feeds:
        snapshot = with_feed(snapshot, feed.symbol, round=replace(feed.round, updated_at=at - 300))
    if fall != 1.0:
        snapshot = with_market_move(snapshot, fall)
    record = _decided(snapshot)
    return replace(record, record_id=f"{place + 4096:032x}", started_at=float(at), **changes)


def _decided(snapshot: MarketSnapshot) -> DecisionRecord:
    model, decision = a_model(), decided(snapshot)
    target = size(model, Observation(snapshot), a_policy())
    acts = decision.action is not Action.HOLD
    record = a_record(
        mode=Mode.LIVE,
        outcome=CycleOutcome.SENT if acts else CycleOutcome.HELD,
        summary=decision.reason,
        conclusions=Conclusions(model, target, decision, None),
        nodes=NODES,
        quorum=2,
        simulation=None,
        verdict=None,
    )
    assert record.inputs is not None
    opinions = [
        Opinion("WETH", "coinbase", 1_702.5, NOW, ""),
        Opinion("WBTC", "kraken", None, NOW, "no answer"),
    ]
    inputs = replace(
        record.inputs,
        snapshot=snapshot,
        policy=a_policy(),
        opinions=tuple(opinions),
        drill=a_fire_drill(0.3 if snapshot.block.number % 24 < 20 else 0.2),
    )
    return replace(record, inputs=inputs)


def some_looks(count: int) -> Iterator[DecisionRecord]:
    """Leverage swings; one cycle failed."""
    for place in range(count):
        if place == count // 2:
            yield a_failed_record(started_at=float(NOW + place * EVERY_S), record_id=f"{place + 4096:032x}")
        else:
            yield a_look(place, leverage=1.546 + 0.03 * math.sin(place / 5))


def journal_with(file: Path, records: Sequence[DecisionRecord]) -> str:
    """The address of a new journal that holds these records."""
    url = f"sqlite:///{file}"
    with Journal.open(url) as journal:
        stored = StoredRecords(journal)
        for record in records:
            stored.append(record)
    return url


def daemon_after(records: Sequence[DecisionRecord]) -> DaemonState:
    """The daemon's own state after these cycles."""
    newest = records[-1].started_at if records else float(NOW)
    events: list[Event] = [Started(float(NOW), Mode.LIVE, schedule="interval[0:15:00]", code_version="0.1.0")]
    for record in records[-2:]:
        events += [
            CycleBegan(record.started_at, record.started_at + EVERY_S),
            CycleEnded(record.started_at + 4, record),
        ]
    state = DaemonState()
    for event in events:
        state = after(state, event)
    return replace(state, next_look_at=newest + EVERY_S)

"""What the commands that change nothing show: journal, pauses, and the vault as it is now, beside a running keeper."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.app.composition import acting_account, node_at, strategy
from keeper.chain.rpc.connect import connected
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.market import MarketSnapshot
from keeper.domain.pause_state import Pause, PauseState
from keeper.domain.policy import DailyPolicy
from keeper.domain.record import DecisionRecord, NodeUse
from keeper.domain.tx import InFlight
from keeper.journal.pause_store import StoredPauses, paused_by_file
from keeper.settings.schema import Settings
from keeper.settings.to_domain import endpoints

if TYPE_CHECKING:
    from keeper.app.composition import Progress
    from keeper.cycle.replay import Replay
    from keeper.journal.records import StoredRecords


@contextmanager
def stored_records(settings: Settings) -> Iterator[StoredRecords]:
    """The journal's records, for reading beside a running keeper. Raises InvalidSetting, JournalCorrupt."""
    from keeper.journal.records import StoredRecords
    from keeper.journal.store import Journal

    with Journal.open_for_reading(settings.journal_url) as journal:
        yield StoredRecords(journal)


def stored_legs(settings: Settings, limit: int) -> tuple[ExecutedSwap, ...]:
    """The newest swaps that the journal tells of, oldest first. Raises InvalidSetting, JournalCorrupt."""
    from keeper.journal.fills import StoredFills
    from keeper.journal.store import Journal

    with Journal.open_for_reading(settings.journal_url) as journal:
        return StoredFills(journal).latest(limit)


def replayed(settings: Settings, record_id: str) -> Replay:
    """A stored record concluded again from its own inputs, offline. Raises BadInput, JournalCorrupt."""
    from keeper.cycle.replay import replay
    from keeper.journal.bars import StoredBars
    from keeper.journal.records import StoredRecords
    from keeper.journal.rounds import StoredRounds, digest
    from keeper.journal.store import Journal

    with Journal.open_for_reading(settings.journal_url) as journal:
        record = StoredRecords(journal).record(record_id)
        return replay(record, StoredRounds(journal).since(0), digest, StoredBars(journal))


@dataclass(frozen=True, slots=True)
class Look:
    """The vault as it is now, the last record if there is one, what holds the keeper back, and what it has in flight by
    its journal."""

    snapshot: MarketSnapshot
    last: DecisionRecord | None
    pause_state: PauseState
    daily: DailyPolicy
    in_flight: tuple[InFlight, ...]
    nodes: tuple[NodeUse, ...]
    quorum: int


def look(settings: Settings, progress: Progress = lambda _: None) -> Look:
    """Without price history; changes nothing. Raises what ``Node.read`` raises."""
    from keeper.journal.attempts import StoredAttempts
    from keeper.journal.records import StoredRecords
    from keeper.journal.store import Journal
    from keeper.journal.switches import Switches

    where, wanted, account = endpoints(settings), strategy(settings, progress), acting_account(settings)
    with (
        connected(where.rpc_urls, where.quorum, where.chain_id) as reads,
        Journal.open_for_reading(where.journal_url) as journal,
    ):
        snapshot = node_at(reads, where, wanted, account, progress).read({}, 0).snapshot
        log, switches = StoredAttempts(journal, time.time), Switches(journal, time.time)
        pause_store = StoredPauses(
            switches, log, where.pause_file, wanted.daily, where.chain_id, account, keeps=False
        )
        last = StoredRecords(journal).latest(1)
        in_flight = tuple(
            InFlight(
                one.intent_id, log.status(one.intent_id), one.payload.epoch, log.created_at(one.intent_id)
            )
            for one in log.unfinished(where.chain_id, account)
        )
        pause_state = pause_store.pause_state(snapshot.block.timestamp)
        latest = last[0] if last else None
        return Look(snapshot, latest, pause_state, wanted.daily, in_flight, reads.uses, reads.quorum)


def pauses(settings: Settings) -> tuple[Pause, ...]:
    """Every pause of journal and file in force, without looking at the chain. Raises JournalCorrupt."""
    from keeper.journal.store import Journal
    from keeper.journal.switches import Switches

    with Journal.open_for_reading(settings.journal_url) as journal:
        return (*Switches(journal, time.time).pauses(), *paused_by_file(settings.pause_file))


def verified(settings: Settings) -> int:
    """Number of entries in the journal, all as they were written. Raises JournalCorrupt."""
    from keeper.journal.store import Journal

    with Journal.open_for_reading(settings.journal_url) as journal:
        return journal.verify()

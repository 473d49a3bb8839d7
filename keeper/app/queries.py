"""Read-only queries behind `keeper status`, `journal` and `replay`. They are safe beside a live daemon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.app.assembly import Progress, chain_reader, strategy
from keeper.app.keys import acting_account
from keeper.app.running import who_runs
from keeper.chain.rpc.connect import connected
from keeper.cycle.replay import Replay, replay
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.information import NOTHING_REMEMBERED, InformationMemory
from keeper.domain.pause_state import Pause
from keeper.domain.tx import InFlight, SendingKey
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.attempts import StoredAttempts
from keeper.journal.bars import StoredBars
from keeper.journal.fills import StoredFills
from keeper.journal.pause_store import StoredPauses, paused_by_file
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.risk.information import with_acceptances
from keeper.runtime.deadline import work_within
from keeper.settings.endpoints import endpoints
from keeper.settings.schema import Settings
from keeper.views.status import VaultStatus

LONGEST_READING_S = 30.0
"""All waits of `keeper status` for nodes."""


@contextmanager
def stored_records(settings: Settings) -> Iterator[StoredRecords]:
    """The journal's records, read beside a running keeper. Raises InvalidSetting, JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        yield StoredRecords(journal)


def stored_information(settings: Settings) -> InformationMemory:
    """What the newest cycle that read the market leaves to the next one, with what was accepted since. Raises
    InvalidSetting, JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        record = StoredRecords(journal).last_informed()
        if record is None:
            return NOTHING_REMEMBERED
        memory = record.information
        return with_acceptances(memory, StoredAcceptances(journal, time.time).after(memory.acceptance))


def stored_swaps(settings: Settings, limit: int) -> tuple[ExecutedSwap, ...]:
    """The newest executed swaps of the journal, oldest first. Raises InvalidSetting, JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        return StoredFills(journal).latest(limit)


def replayed(settings: Settings, record_id: str) -> Replay:
    """Replays a stored record from its own inputs, offline. Raises BadInput, JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        record = StoredRecords(journal).record(record_id)
        return replay(record, StoredRounds(journal).since(0), StoredBars(journal))


def vault_status(settings: Settings, progress: Progress = lambda _: None) -> VaultStatus:
    """Reads the chain without price history, and the journal. Raises what ``ChainReader.read`` raises."""
    where, policy, account = endpoints(settings), strategy(settings, progress), acting_account(settings)
    with (
        work_within(LONGEST_READING_S),
        connected(where.rpc_urls, where.quorum, where.chain_id) as reads,
        Journal.open_if_there(where.journal_url) as journal,
    ):
        snapshot = chain_reader(reads, where, policy, account=account, progress=progress).read({}, 0).snapshot
        log, switches = StoredAttempts(journal, time.time), Switches(journal, time.time)
        pause_store = StoredPauses(
            switches,
            log,
            SendingKey(where.chain_id, account),
            pause_file=where.pause_file,
            daily=policy.daily,
            keeps=False,
        )
        last = StoredRecords(journal).latest(1)
        in_flight = tuple(
            InFlight(
                intent.intent_id,
                log.status(intent.intent_id),
                epoch=intent.payload.epoch,
                since=log.created_at(intent.intent_id),
            )
            for intent in log.unfinished(where.chain_id, account)
        )
        return VaultStatus(
            snapshot=snapshot,
            last=last[0] if last else None,
            pause_state=pause_store.pause_state(snapshot.block.timestamp),
            daily=policy.daily,
            in_flight=in_flight,
            nodes=reads.uses,
            quorum=reads.quorum,
            journal=journal.name,
            journal_exists=journal.exists,
            running=who_runs(settings),
        )


def pauses(settings: Settings) -> tuple[Pause, ...]:
    """Every pause in force by journal and pause file. The chain is not read. Raises JournalCorrupt."""
    with Journal.open_if_there(settings.journal_url) as journal:
        return (*Switches(journal, time.time).pauses(), *paused_by_file(settings.pause_file))


def verified(settings: Settings) -> int:
    """Verifies every entry of the journal and returns their number. Raises JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        return journal.verify()

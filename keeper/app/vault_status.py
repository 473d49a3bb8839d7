"""The query behind `keeper status`: the vault on chain beside the journal. It reaches no key."""

from __future__ import annotations

import time

from keeper.app.assembly import AccountOf, Progress, chain_reader, strategy
from keeper.app.running import who_runs
from keeper.chain.rpc.connect import connected
from keeper.domain.tx import InFlight, SendingKey
from keeper.journal.attempts import StoredAttempts
from keeper.journal.leadership import stored_leadership
from keeper.journal.pause_store import StoredPauses
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.runtime.deadline import work_within
from keeper.settings.endpoints import endpoints
from keeper.settings.schema import Settings
from keeper.views.status import VaultStatus

LONGEST_READING_S = 30.0
"""All waits for nodes."""


def vault_status(
    settings: Settings, account_of: AccountOf, progress: Progress = lambda _: None
) -> VaultStatus:
    """Reads the chain without price history, and the journal. Raises what ``ChainReader.read`` raises."""
    where, policy, account = endpoints(settings), strategy(settings, progress), account_of(settings)
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
            leadership=stored_leadership(journal),
        )

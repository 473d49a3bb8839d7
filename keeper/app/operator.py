"""Actions of an operator: pause, resume, seal, clear stuck nonces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from keeper.app.composition import KnownTargets, SystemClock, chain_reader, strategy, transaction_sender
from keeper.app.keys import AskPassword, signer
from keeper.app.seal import digests
from keeper.chain.rpc.connect import connected
from keeper.domain.errors import Halted, JournalUnwritable
from keeper.domain.information import Acceptance, Fact
from keeper.domain.pause_causes import OPERATOR
from keeper.domain.pause_state import Pause
from keeper.domain.tx import SendingKey
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.attempts import StoredAttempts
from keeper.journal.files import locked_key
from keeper.journal.pause_store import StoredPauses, paused_by_file
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.runtime import failpoints
from keeper.settings.endpoints import endpoints
from keeper.settings.policy import policy, settings_hash
from keeper.settings.schema import Settings

if TYPE_CHECKING:
    from keeper.tx.manager import TransactionSender


def pause(settings: Settings, reason: str) -> tuple[Pause, ...]:
    """Pauses in the journal, or by the pause file if the journal cannot be written. Returns every pause in force."""
    try:
        with Journal.open_to_append(settings.journal_url) as journal:
            switches = Switches(journal, SystemClock().now)
            switches.pause(OPERATOR, reason)
            return (*switches.pauses(), *paused_by_file(settings.pause_file))
    except Halted:
        settings.pause_file.write_text(f"{reason}\n", encoding="utf-8")
        return paused_by_file(settings.pause_file)


def resume(settings: Settings, reason: str) -> tuple[Pause, ...]:
    """Removes every pause of journal and pause file, and returns them. Raises JournalUnwritable."""
    lifted = paused_by_file(settings.pause_file)
    if lifted:
        settings.pause_file.unlink()
    try:
        with Journal.open_to_append(settings.journal_url) as journal:
            return (*Switches(journal, SystemClock().now).resume(reason), *lifted)
    except JournalUnwritable:
        if lifted:
            return lifted  # the pause was in the file because there was no journal
        raise


def accept_missing(settings: Settings, reason: str) -> Acceptance | None:
    """Accepts, in the journal, every fact that the last cycle missed, as it was then. Returns None if it missed
    nothing. Raises JournalUnwritable."""
    with Journal.open_to_append(settings.journal_url) as journal:
        record = StoredRecords(journal).last_informed()
        missing = record.information.missing if record is not None else ()
        if not missing:
            return None
        facts = tuple(Fact(fact.name, fact.amount) for fact in missing)
        return StoredAcceptances(journal, SystemClock().now).accept(facts, reason)


def seal(settings: Settings) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Seals the present program, ABIs and settings. Returns the earlier digests and the present ones."""
    now = digests(settings_hash(settings))
    with Journal.open(settings.journal_url) as journal:
        switches = Switches(journal, SystemClock().now)
        before = switches.sealed()
        for kind, sha256 in now.items():
            if before.get(kind) != sha256:
                switches.seal(kind, sha256)
    return before, now


def sealed(settings: Settings) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The sealed digests and the present ones."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        return Switches(journal, SystemClock().now).sealed(), digests(settings_hash(settings))


@contextmanager
def nonces(settings: Settings, *, ask_password: AskPassword) -> Iterator[TransactionSender]:
    """The sender without a keeper, to show and clear stuck nonces. Raises as ``build``."""
    where, clock = endpoints(settings), SystemClock()
    failpoints.arm_from_environment(where.chain_id)
    with ExitStack() as stack:
        known = KnownTargets()
        key = stack.enter_context(signer(settings, ask_password, known.targets))
        stack.enter_context(locked_key(where.lock_directory, where.chain_id, key.address))
        journal = stack.enter_context(Journal.open(where.journal_url))
        switches, log = Switches(journal, clock.now), StoredAttempts(journal, clock.now)
        pause_store = StoredPauses(
            switches,
            log,
            SendingKey(where.chain_id, key.address),
            pause_file=where.pause_file,
            daily=policy(settings).daily,
            keeps=True,
        )
        reads = stack.enter_context(connected(where.rpc_urls, where.quorum, where.chain_id))
        known.chain = chain_reader(
            reads, where, strategy(settings, lambda _: None), account=key.address, progress=lambda _: None
        )
        yield stack.enter_context(
            transaction_sender(
                settings, reads=reads, log=log, key=key, alarm=pause_store, targets=known.targets
            )
        )

"""What an operator does beside the cycles: pause, resume, seal, clear stuck nonces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from keeper.app.composition import AskPassword, SystemClock, signer, transaction_sender
from keeper.app.seal import digests
from keeper.chain.rpc.connect import connected
from keeper.domain.errors import Halted, JournalUnwritable
from keeper.domain.pause_state import Pause
from keeper.journal.attempts import StoredAttempts
from keeper.journal.files import locked_key
from keeper.journal.pause_store import OPERATOR, StoredPauses, paused_by_file
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.settings.endpoints import endpoints
from keeper.settings.policy import policy, settings_hash
from keeper.settings.schema import Settings

if TYPE_CHECKING:
    from keeper.tx.manager import TransactionSender


def pause(settings: Settings, reason: str) -> tuple[Pause, ...]:
    """In the journal where it can be written, else by the pause file. Every pause now in force."""
    try:
        with Journal.open_to_append(settings.journal_url) as journal:
            switches = Switches(journal, SystemClock().now)
            switches.pause(OPERATOR, reason)
            return (*switches.pauses(), *paused_by_file(settings.pause_file))
    except Halted:
        settings.pause_file.write_text(f"{reason}\n", encoding="utf-8")
        return paused_by_file(settings.pause_file)


def resume(settings: Settings, reason: str) -> tuple[Pause, ...]:
    """Lifts every pause of journal and file, and returns them. Raises JournalUnwritable."""
    lifted = paused_by_file(settings.pause_file)
    if lifted:
        settings.pause_file.unlink()
    try:
        with Journal.open_to_append(settings.journal_url) as journal:
            return (*Switches(journal, SystemClock().now).resume(reason), *lifted)
    except JournalUnwritable:
        if lifted:
            return lifted  # there was no journal to pause in
        raise


def seal(settings: Settings) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Writes down what program, ABIs and settings are now. What was sealed before, and what is now."""
    now = digests(settings_hash(settings))
    with Journal.open(settings.journal_url) as journal:
        switches = Switches(journal, SystemClock().now)
        before = switches.sealed()
        for kind, sha256 in now.items():
            if before.get(kind) != sha256:
                switches.seal(kind, sha256)
    return before, now


def sealed(settings: Settings) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """As ``seal``, changing nothing."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        return Switches(journal, SystemClock().now).sealed(), digests(settings_hash(settings))


@contextmanager
def nonces(settings: Settings, *, ask_password: AskPassword) -> Iterator[TransactionSender]:
    """The sender alone, for looking at stuck nonces and clearing them. Raises as ``build``."""
    where, clock = endpoints(settings), SystemClock()
    with ExitStack() as stack:
        key = stack.enter_context(signer(settings, ask_password))
        stack.enter_context(locked_key(where.lock_directory, where.chain_id, key.address))
        journal = stack.enter_context(Journal.open(where.journal_url))
        switches, log = Switches(journal, clock.now), StoredAttempts(journal, clock.now)
        pause_store = StoredPauses(
            switches, log, where.pause_file, policy(settings).daily, where.chain_id, key.address, keeps=True
        )
        reads = stack.enter_context(connected(where.rpc_urls, where.quorum, where.chain_id))
        yield stack.enter_context(transaction_sender(reads, log, key, pause_store, settings, clock))

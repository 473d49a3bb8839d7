"""Actions of an operator: resume, deleverage, seal, clear stuck nonces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.app.assembly import Progress, chain_reader, strategy
from keeper.app.clocks import SystemClock
from keeper.app.composition import KnownTargets, alone
from keeper.app.keys import AskPassword, WithoutKey, acting_account, signer
from keeper.app.pausing import Heard, answered, heard_of
from keeper.app.running import running_keeper
from keeper.app.seal import digests
from keeper.app.sending import KeyWork, transaction_sender
from keeper.chain.rpc.connect import connected
from keeper.cycle.run import LONGEST_LOOK_S
from keeper.domain.errors import (
    JournalMissing,
    JournalUnwritable,
    KeeperSilent,
    Refused,
)
from keeper.domain.information import Acceptance, Fact
from keeper.domain.orders import AnswerState, Subject
from keeper.domain.pause_state import DeleverageRequest, Pause
from keeper.domain.record import DecisionRecord, Mode
from keeper.domain.tx import SendingKey
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.attempts import StoredAttempts
from keeper.journal.databases import shown
from keeper.journal.files import locked_key
from keeper.journal.orders import StoredOrders
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

ORDER_VALID_S = 30


def resume(settings: Settings, reason: str) -> tuple[tuple[Pause, ...], Heard]:
    """Removes every pause of journal and pause file, and returns them. Raises JournalUnwritable, JournalMissing,
    AnotherJournal."""
    running = running_keeper(settings)
    file = Path(running.pause_file) if running is not None else settings.pause_file
    lifted = paused_by_file(file)
    if lifted:
        file.unlink()
    try:
        with Journal.open_to_append(settings.journal_url) as journal:
            of_journal = Switches(journal, SystemClock().now).resume(reason)
            # A resume that lifts nothing leaves no row to answer to.
            heard = heard_of(settings, journal, running if of_journal else None)
            return (*of_journal, *lifted), replace(heard, running=running)
    except (JournalUnwritable, JournalMissing):
        if lifted:  # the pause was in the file because there was no journal
            return lifted, Heard(shown(settings.journal_url), settings.vault or "", running, answer="")
        raise


def ordered(settings: Settings, request: DeleverageRequest, progress: Progress) -> DecisionRecord:
    """Has the running keeper deleverage, and returns the record of its cycle. Raises KeeperSilent, and Refused where
    its cycle left no record."""
    with Journal.open_to_append(settings.journal_url) as journal:
        stored = StoredOrders(journal, SystemClock().now)
        order = stored.place(request.health_factor, request.reason, valid_s=ORDER_VALID_S)
        seen = answered(stored, Subject.ORDER, order.number, state=AnswerState.SEEN, within_s=ORDER_VALID_S)
        if seen is None:
            raise KeeperSilent(
                f"order {order.number} in {journal.name}: the keeper did not take it within {ORDER_VALID_S} s",
                remedy="It is void now. Look at the keeper. If it hangs, end it and repeat: the command then sends.",
            )
        progress(f"order {order.number} is taken: {seen.text}")
        longest_s = settings.send.give_up_after_s + 2 * LONGEST_LOOK_S
        done = answered(stored, Subject.ORDER, order.number, state=AnswerState.DONE, within_s=longest_s)
        if done is None:
            raise KeeperSilent(
                f"order {order.number}: the keeper took it and did not finish within {longest_s:.0f} s",
                remedy="Look at `keeper status`, and at the keeper's log.",
            )
        if not done.record_id:
            raise Refused(
                f"order {order.number}: the keeper's cycle left no record: {done.text}",
                remedy="Look at the keeper's log. Repeat the command when the cause is gone.",
            )
        return StoredRecords(journal).record(done.record_id)


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
    """Seals the present program, ABIs and settings, also while a keeper runs, which reads the seal with its settings.
    Returns the earlier digests and the present ones. Raises AnotherJournal."""
    now = digests(settings_hash(settings))
    opened = Journal.open if running_keeper(settings) is None else Journal.open_to_append
    with opened(settings.journal_url) as journal:
        switches = Switches(journal, SystemClock().now)
        before = switches.sealed()
        for kind, sha256 in now.items():
            if before.get(kind) != sha256:
                switches.seal(kind, sha256)
    return before, now


def sealed(settings: Settings) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The sealed digests and the present ones. Raises JournalMissing."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        return Switches(journal, SystemClock().now).sealed(), digests(settings_hash(settings))


@contextmanager
def nonces(settings: Settings, mode: Mode, *, ask_password: AskPassword) -> Iterator[TransactionSender]:
    """The sender without a keeper, to show and clear stuck nonces. SIMULATE locks nothing and opens no key. Raises as
    ``build``."""
    where, clock = endpoints(settings), SystemClock()
    failpoints.arm_from_environment(where.chain_id)
    with ExitStack() as stack:
        known = KnownTargets()
        if mode.sends:
            key = stack.enter_context(signer(settings, ask_password, known.targets))
            stack.enter_context(locked_key(where.lock_directory, where.chain_id, key.address))
            journal = stack.enter_context(Journal.open(where.journal_url))
        else:
            key = WithoutKey(acting_account(settings))
            journal = stack.enter_context(Journal.open_for_reading(where.journal_url))
        switches, log = Switches(journal, clock.now), StoredAttempts(journal, clock.now)
        pause_store = StoredPauses(
            switches,
            log,
            SendingKey(where.chain_id, key.address),
            pause_file=where.pause_file,
            daily=policy(settings).daily,
            keeps=mode.sends,
        )
        reads = stack.enter_context(connected(where.rpc_urls, where.quorum, where.chain_id))
        known.chain = chain_reader(
            reads, where, strategy(settings, lambda _: None), account=key.address, progress=lambda _: None
        )
        work = KeyWork(key, log, pause_store, targets=known.targets, require_lead=alone)
        yield stack.enter_context(transaction_sender(settings, reads, work))

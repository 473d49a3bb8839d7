"""The kill switch. What only pauses is apart from what resumes, so that a chat can reach the one without the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keeper.app.clocks import SystemClock
from keeper.app.running import running_keeper
from keeper.domain.errors import Halted, JournalMissing, JournalUnreadable, JournalUnwritable
from keeper.domain.orders import Answer, AnswerState, RunningKeeper, Subject
from keeper.domain.pause_causes import OPERATOR
from keeper.domain.pause_state import Pause
from keeper.journal.databases import on_this_machine, shown
from keeper.journal.orders import StoredOrders
from keeper.journal.pause_store import paused_by_file
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.settings.schema import Settings

ACKNOWLEDGED_S = 15.0
"""How long a pause waits for the running keeper's word."""
ANSWER_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Heard:
    """Which journal a command wrote to, and whether a keeper noticed. ``vault`` is empty where none is set, ``answer``
    where no keeper answered, ``running`` None where none runs here with this journal. ``here_only``: it holds on this
    machine alone, and a keeper on another one may lead."""

    journal: str
    vault: str
    running: RunningKeeper | None
    answer: str
    here_only: bool = False

    @property
    def unanswered(self) -> bool:
        return self.running is not None and not self.answer


def pause(settings: Settings, reason: str) -> tuple[tuple[Pause, ...], Heard]:
    """Pauses in the journal, or by the pause file of the running keeper if the journal cannot be written. Returns every
    pause in force. Raises JournalMissing, AnotherJournal, and JournalUnwritable if neither can be written."""
    running = running_keeper(settings)
    file = Path(running.pause_file) if running is not None else settings.pause_file
    try:
        with Journal.open_to_append(settings.journal_url) as journal:
            switches = Switches(journal, SystemClock().now)
            switches.pause(OPERATOR, reason)
            in_force = (*switches.pauses(), *paused_by_file(file))
            return in_force, heard_of(settings, journal, running)
    except (JournalUnwritable, JournalUnreadable, Halted):
        return _paused_by_file(settings, file, running, reason=reason)
    except JournalMissing as error:
        if running is not None:
            return _paused_by_file(settings, file, running, reason=reason)
        raise JournalMissing(
            error.message,
            remedy=f"{error.remedy} To pause a keeper before its first start: touch {file.absolute()}",
        ) from error


def _paused_by_file(
    settings: Settings, file: Path, running: RunningKeeper | None, *, reason: str
) -> tuple[tuple[Pause, ...], Heard]:
    try:
        file.write_text(f"{reason}\n", encoding="utf-8")
    except OSError as error:
        if not paused_by_file(file):  # without its reason a pause file counts as well
            keeper = f"process {running.process}" if running is not None else "the keeper"
            raise JournalUnwritable(
                f"NOT PAUSED: the journal cannot be written, nor the pause file {file.absolute()}: {error.strerror}",
                remedy=f"Stop {keeper} instead (systemctl stop keeper, or kill), and then mend the disk or the paths.",
            ) from error
    here_only = not on_this_machine(settings.journal_url) and (running is None or running.takes_turns)
    answer = f"{file.absolute()} was written; the keeper looks at it before each trade"
    if here_only:
        answer += ". It holds ON THIS MACHINE ONLY: a keeper on another one may lead, and does not see it"
    return paused_by_file(file), Heard(
        shown(settings.journal_url), settings.vault or "", running, answer=answer, here_only=here_only
    )


def heard_of(settings: Settings, journal: Journal, running: RunningKeeper | None) -> Heard:
    """Waits for the running keeper's answer to the newest pause or resume."""
    stored = StoredOrders(journal, SystemClock().now)
    answer = ""
    if running is not None:
        seen = answered(
            stored, Subject.SWITCH, stored.newest_switch(), state=AnswerState.SEEN, within_s=ACKNOWLEDGED_S
        )
        answer = seen.text if seen is not None else ""
    return Heard(journal.name, settings.vault or "", running, answer=answer)


def answered(
    stored: StoredOrders, subject: Subject, number: int, *, state: AnswerState, within_s: float
) -> Answer | None:
    clock = SystemClock()
    until = clock.monotonic() + within_s
    while True:
        given = next((answer for answer in stored.answers(subject, number) if answer.state is state), None)
        if given is not None or clock.monotonic() > until:
            return given
        clock.wait(ANSWER_POLL_S)

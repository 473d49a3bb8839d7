"""``ports.PauseStore``: pauses from the journal and from the pause file, and what the last 24 hours used up."""

from __future__ import annotations

from pathlib import Path

from keeper.decision.pause_rules import overdrawn
from keeper.domain.pause_causes import OPERATOR
from keeper.domain.pause_state import DAY_S, Pause, PausedBy, PauseState
from keeper.domain.policy import DailyPolicy
from keeper.domain.tx import SendingKey
from keeper.journal.attempts import StoredAttempts
from keeper.journal.switches import Switches

MAX_REASON_CHARS = 500


class StoredPauses:
    """For one key. ``keeps`` is False for a simulation, which never pauses the keeper."""

    def __init__(
        self,
        switches: Switches,
        log: StoredAttempts,
        key: SendingKey,
        *,
        pause_file: Path,
        daily: DailyPolicy,
        keeps: bool,
    ) -> None:
        self._switches = switches
        self._log = log
        self._key = key
        self._pause_file = pause_file
        self._daily = daily
        self._keeps = keeps

    def pause_state(self, as_of: int) -> PauseState:
        """ports.PauseStore. Pauses the keeper if the day's losses or failures are used up."""
        spent = self._log.spent(self._key.chain_id, self._key.account, as_of - DAY_S)
        exceeded = overdrawn(spent, self._daily)
        if exceeded is not None:
            self.pause(*exceeded)
        return PauseState(pauses=(*self._switches.pauses(), *paused_by_file(self._pause_file)), usage=spent)

    def pause(self, cause: str, reason: str) -> None:
        """ports.PauseStore."""
        if self._keeps:
            self._switches.pause(cause, reason)


def paused_by_file(path: Path) -> tuple[Pause, ...]:
    """A pause while the file exists, readable or not. Its first line is the reason."""
    try:
        since = int(path.stat().st_mtime)
    except FileNotFoundError:
        return ()
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}"
        return (Pause(PausedBy.FILE, OPERATOR, reason=reason, since=0),)
    try:
        with path.open(encoding="utf-8") as content:
            reason = content.readline(MAX_REASON_CHARS).strip()
    except (OSError, UnicodeDecodeError):
        reason = "the pause file cannot be read"
    return (Pause(PausedBy.FILE, OPERATOR, reason=reason, since=since),)

"""A keeper that lowers risk from a second journal while the first cannot be written, and does nothing else then."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace

from keeper.cycle.ports import PauseStore
from keeper.cycle.run import Keeper
from keeper.cycle.serve import LineService
from keeper.domain.errors import JournalUnreadable, JournalUnwritable, KeeperError
from keeper.domain.pause_causes import JOURNAL_UNWRITABLE
from keeper.domain.pause_state import DeleverageRequest, Pause, PausedBy, PauseState
from keeper.domain.record import DecisionRecord, Failure, Mode
from keeper.journal.fallback import FallbackJournal
from keeper.journal.store import Journal
from keeper.runtime.logs import logger

FAILS = (JournalUnwritable, JournalUnreadable)


@dataclass(frozen=True, slots=True)
class AlsoPaused:
    """cycle.ports.PauseStore with pauses that are in force whatever the journal says."""

    stored: PauseStore
    always: tuple[Pause, ...]

    def pause_state(self, as_of: int) -> PauseState:
        state = self.stored.pause_state(as_of)
        return replace(state, pauses=(*self.always, *state.pauses))

    def pause(self, cause: str, reason: str) -> None:
        self.stored.pause(cause, reason)


class FallbackKeeper:
    """app.daemon.Cycles. A cycle is tried on the journal first. ``keeper_on`` makes a keeper on another journal, with a
    pause that stops all but emergencies. What the fallback journal holds goes into the journal before the next cycle
    there. If the fallback journal fails, the keeper works on the journal, with the same pause: it does not know what
    was sent from the other one."""

    def __init__(
        self,
        keeper: Keeper,
        journal: Journal,
        fallback: FallbackJournal,
        *,
        keeper_on: Callable[[Journal, Pause], AbstractContextManager[Keeper]],
    ) -> None:
        self._keeper = keeper
        self._journal = journal
        self._fallback = fallback
        self._keeper_on = keeper_on
        self._trouble: Failure | None = None

    @property
    def trouble(self) -> Failure | None:
        """Which failure of a journal let the last cycle send only emergencies; None where both work."""
        return self._trouble

    def cycle(
        self, mode: Mode, deleverage_request: DeleverageRequest | None = None, *, next_look_at: float | None
    ) -> DecisionRecord:
        """Raises as ``Keeper.cycle`` on the journal where neither can be written."""
        try:
            if self._fallback.exists:
                count = self._fallback.merge_into(self._journal)
                logger().warning("fallback_merged", entries=count, journal=self._journal.name)
            record = self._keeper.cycle(mode, deleverage_request, next_look_at=next_look_at)
        except FAILS as error:
            return self._with_emergencies_only(error, mode, deleverage_request, next_look_at=next_look_at)
        self._trouble = None
        return record

    def serve(self, mode: Mode) -> LineService:
        return self._keeper.serve(mode)

    def _with_emergencies_only(
        self,
        error: KeeperError,
        mode: Mode,
        deleverage_request: DeleverageRequest | None,
        *,
        next_look_at: float | None,
    ) -> DecisionRecord:
        trouble = Failure(error.name, error.exit_code, message=error.message, remedy=error.remedy)
        since = self._trouble is None
        self._trouble = trouble
        pause = Pause(PausedBy.JOURNAL, JOURNAL_UNWRITABLE, reason=error.message, since=int(time.time()))
        with ExitStack() as stack:
            try:
                used = stack.enter_context(self._fallback.open(self._journal))
            except FAILS:
                used = self._journal
            keeper = stack.enter_context(self._keeper_on(used, pause))
            if since:
                logger().error("fallback_used", journal=used.name, reason=error.message)
            return keeper.cycle(mode, deleverage_request, next_look_at=next_look_at)

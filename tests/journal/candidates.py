"""A keeper that would lead, as the journal sees it."""

from __future__ import annotations

import threading

from keeper.domain.leadership import Leadership


class Standing:
    """journal.leased.Candidate. ``asked`` is set when it has asked in vain."""

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = ready
        self.asked = threading.Event()
        self.seen: list[Leadership] = []
        self._pause = threading.Event()

    def may_lead(self, now: Leadership) -> bool:
        self.seen.append(now)
        return self.ready

    def wait(self) -> None:
        self.asked.set()
        self._pause.wait(0.02)

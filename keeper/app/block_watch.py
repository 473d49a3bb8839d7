"""Looks at every new block between the cycles, and asks for a cycle when something that matters has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from keeper.decision.watch_rules import as_seen, fell_below, findings
from keeper.domain.block_look import BlockLook, WatchCause, WatchFinding
from keeper.domain.errors import KeeperError
from keeper.domain.market import MarketSnapshot
from keeper.monitoring.events import CycleBegan, CycleEnded, CycleLost, Event
from keeper.runtime.logs import logger
from keeper.settings.schema import Settings

QUIET_S = 15.0
"""Shortest time between two cycles that the watch asks for, unless the health factor is the cause."""
JOIN_S = 2.0


class Looks(Protocol):
    """Where the looks come from (keeper.chain.block_look)."""

    def look(self) -> BlockLook | None: ...


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """``alert`` is the health factor below which the keeper acts before its schedule; below ``act`` a waiting
    transaction is not waited for. ``price_move`` is a fraction."""

    every_s: float
    alert: float
    act: float
    price_move: float


def watch_settings(settings: Settings) -> WatchSettings:
    decision, watch = settings.decision, settings.watch
    return WatchSettings(
        every_s=watch.every_s,
        alert=decision.alert_health_factor,
        act=decision.act_health_factor,
        price_move=watch.price_move,
    )


class BlockWatch:
    """app.daemon.Observer. Looks on a thread of its own with a connection of its own, so a failing or a long cycle
    never blinds it, and it never delays a cycle.

    A look is compared with what the last cycle read; of a cycle that read nothing, with what the one before it read.
    Epoch and nonce are those of the first look after the cycle, because the cycle itself changes them.
    """

    def __init__(self, looks: Looks, limits: WatchSettings, *, preempt: Callable[[], None]) -> None:
        self._looks = looks
        self._limits = limits
        self._preempt = preempt
        self._lock = threading.Lock()
        self._newest: BlockLook | None = None
        self._at_begin: BlockLook | None = None
        self._snapshot: MarketSnapshot | None = None
        self._seen: BlockLook | None = None
        self._in_cycle = False
        self._asked_at = -QUIET_S
        self._preempted = False
        self._blind = ""
        self._closed = threading.Event()
        self._log = logger()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, CycleBegan):
                self._in_cycle, self._preempted, self._at_begin = True, False, self._newest
            elif isinstance(event, CycleEnded | CycleLost):
                self._in_cycle = False
                if isinstance(event, CycleEnded) and event.record.inputs is not None:
                    self._snapshot, self._seen = event.record.inputs.snapshot, None

    @contextmanager
    def watching(self, wake: Callable[[], None], monotonic: Callable[[], float]) -> Iterator[None]:
        """Looks until the block is left; ``wake`` asks for a cycle. No looks with ``every_s`` 0."""
        if self._limits.every_s == 0:
            yield
            return

        def run() -> None:
            while not self._closed.wait(self._limits.every_s):
                self.once(wake, monotonic())

        thread = threading.Thread(target=run, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._closed.set()
            thread.join(JOIN_S)

    def once(self, wake: Callable[[], None], at: float) -> None:
        """One look; ``at`` is a monotonic time in seconds."""
        try:
            look = self._looks.look()
        except KeeperError as error:
            self._tell_blind(f"{error.name}: {error.message}")
            return
        self._tell_blind("")
        if look is None:
            return
        with self._lock:
            causes = self._judge(look)
            self._newest = look
            urgent = any(each.cause is WatchCause.HEALTH_FACTOR for each in causes)
            if not causes or (at - self._asked_at < QUIET_S and not urgent):
                return
            self._asked_at = at
        names, reason = [each.cause.value for each in causes], "; ".join(each.text for each in causes)
        self._log.warning("watch", causes=names, reason=reason)
        wake()

    # ------------------------------------------------------------------ inside

    def _judge(self, look: BlockLook) -> tuple[WatchFinding, ...]:
        if self._in_cycle:
            return self._judged_in_cycle(look)
        if self._snapshot is None:
            return ()
        if self._seen is None:
            self._seen = as_seen(self._snapshot, look)
        return findings(
            look, self._seen, health_factor=self._limits.alert, price_move=self._limits.price_move
        )

    def _judged_in_cycle(self, look: BlockLook) -> tuple[WatchFinding, ...]:
        """Only whether the wait for the cycle's transaction must end, once a cycle."""
        began = self._at_begin
        if self._preempted or began is None or not fell_below(look, began, self._limits.act):
            return ()
        self._preempted = True
        self._preempt()
        text = (
            f"health factor {look.health_factor:.4f} during a cycle, acts at once below {self._limits.act:g}"
        )
        return (WatchFinding(WatchCause.HEALTH_FACTOR, text),)

    def _tell_blind(self, trouble: str) -> None:
        """Once when it begins to see nothing, and once when it sees again."""
        if bool(trouble) != bool(self._blind):
            if trouble:
                self._log.warning("watch_blind", reason=trouble, remedy="The cycles of the schedule go on.")
            else:
                self._log.info("watch_sees_again")
        self._blind = trouble

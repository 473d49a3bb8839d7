"""Looks at the newest block between the cycles, and asks for a cycle when something that matters has changed."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from keeper.app.watch_pace import WatchPace
from keeper.decision.watch_rules import as_seen, findings, recovered
from keeper.domain.block_look import BlockLook, WatchCause, WatchFinding
from keeper.domain.errors import KeeperError
from keeper.domain.head_socket import HeadSocketState
from keeper.domain.market import MarketSnapshot
from keeper.monitoring.events import CycleBegan, CycleEnded, Event, Waiting
from keeper.runtime.logs import logger
from keeper.settings.schema import Settings

QUIET_S = 15.0
"""Shortest time between two cycles that the watch asks for: for a fall of an account's health, and for all else."""
JOIN_S = 2.0


class Looks(Protocol):
    """Where the looks come from (keeper.chain.block_look)."""

    def look(self) -> BlockLook | None: ...


class Heads(Protocol):
    """Who tells new blocks (keeper.chain.heads)."""

    @property
    def states(self) -> tuple[HeadSocketState, ...]: ...

    def telling(self, new_head: Callable[[int, int], bool]) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """``alert`` is the health factor below which the keeper acts before its schedule. ``price_move`` is a fraction."""

    every_s: float
    alert: float
    price_move: float


def watch_settings(settings: Settings) -> WatchSettings:
    watch = settings.watch
    return WatchSettings(watch.every_s, settings.decision.alert_health_factor, watch.price_move)


class BlockWatch:
    """app.daemon.Observer. Looks on a thread of its own with a connection of its own, so a failing cycle never blinds
    it, and it never delays a cycle.

    A look is compared with what the last cycle read that did not fail, so what a failed one saw is asked for again.
    Epoch and nonce are those of the first look after the cycle, because the cycle itself changes them. While a cycle
    runs, nothing is judged: it may be waiting for its own transaction.

    A head only says when to look. What is believed is what the look reads.
    """

    def __init__(self, looks: Looks, heads: Heads, limits: WatchSettings) -> None:
        self._looks = looks
        self._heads = heads
        self._limits = limits
        self._lock = threading.Lock()
        self._idle = False
        self._snapshot: MarketSnapshot | None = None
        self._seen: BlockLook | None = None
        self._pace: WatchPace | None = None
        self._asked_at: dict[str, float] = {}
        self._blind = False
        self._closed = threading.Event()
        self._log = logger()

    @property
    def head_sockets(self) -> tuple[HeadSocketState, ...]:
        return self._heads.states

    def succeeded_by(self, looks: Looks, heads: Heads, limits: WatchSettings) -> BlockWatch:
        """A watch of new settings that knows what this one has seen."""
        watch = BlockWatch(looks, heads, limits)
        with self._lock:
            watch._idle, watch._snapshot, watch._seen = self._idle, self._snapshot, self._seen
            watch._asked_at = dict(self._asked_at)
        return watch

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, CycleBegan | Waiting):
                self._idle = isinstance(event, Waiting)
                self._hold_pace()
            elif isinstance(event, CycleEnded) and event.record.failure is None:
                inputs = event.record.inputs
                self._snapshot = inputs.snapshot if inputs is not None else self._snapshot
                self._seen = None

    @contextmanager
    def watching(self, wake: Callable[[], None], monotonic: Callable[[], float]) -> Iterator[None]:
        """Looks until the block is left; ``wake`` asks for a cycle. No looks with ``every_s`` 0."""
        if self._limits.every_s == 0:
            yield
            return
        pace = WatchPace(self._limits.every_s, monotonic)
        with self._lock:
            self._pace = pace
            self._hold_pace()

        def look() -> int | None:
            try:
                return self.once(wake, monotonic())
            except Exception:  # noqa: BLE001 -- a bug here must not leave the chain unwatched
                if not self._closed.is_set():
                    self._log.exception("watch_failed")
                return None

        def run() -> None:
            while pace.wait():
                pace.look(look)

        thread = threading.Thread(target=run, name="watch", daemon=True)
        thread.start()
        try:
            with self._heads.telling(pace.new_head):
                yield
        finally:
            self._closed.set()
            pace.end()
            thread.join(JOIN_S)

    def once(self, wake: Callable[[], None], at: float) -> int | None:
        """One look, and a second one where the first finds something; ``at`` is a monotonic time in seconds. Returns
        the timestamp of the block up to which all was judged, None where nothing was: a second look at an older block
        confirms nothing that happened after it."""
        look = self._look()
        causes = self._judged(look)
        if look is None or not self._may_ask(causes, at):
            return look.timestamp if look is not None else None
        # The second look is another node's, where there are several. A single lie asks for nothing.
        second = self._look()
        confirmed = {(each.cause, each.subject) for each in self._judged(second)}
        both = tuple(each for each in causes if (each.cause, each.subject) in confirmed)
        if self._may_ask(both, at):
            self._asked_at.update(dict.fromkeys(_quiet_keys(both), at))
            self._ask_for_cycle(both, wake)
        return min(look.timestamp, second.timestamp) if second is not None else None

    # ------------------------------------------------------------------ inside

    def _hold_pace(self) -> None:
        """What is read while a cycle runs is not judged, so it is not read."""
        if self._pace is not None:
            (self._pace.go_on if self._idle else self._pace.hold)()

    def _may_ask(self, causes: tuple[WatchFinding, ...], at: float) -> bool:
        asked = (self._asked_at.get(key, -math.inf) for key in _quiet_keys(causes))
        return any(at - before >= QUIET_S for before in asked)

    def _ask_for_cycle(self, causes: tuple[WatchFinding, ...], wake: Callable[[], None]) -> None:
        reason = "; ".join(each.text for each in causes)
        self._log.warning("watch", causes=[each.cause.value for each in causes], reason=reason)
        wake()

    def _look(self) -> BlockLook | None:
        """None also where no node answers, which is told once when it begins and once when it ends."""
        try:
            look = self._looks.look()
        except KeeperError as error:
            if not self._blind:
                self._log.warning(
                    "watch_blind", reason=error.message, remedy="The cycles of the schedule go on."
                )
            self._blind = True
            return None
        if self._blind:
            self._log.info("watch_sees_again")
        self._blind = False
        return look

    def _judged(self, look: BlockLook | None) -> tuple[WatchFinding, ...]:
        with self._lock:
            if look is None or self._snapshot is None or not self._idle:
                return ()
            if look.timestamp < self._snapshot.block.timestamp:
                return ()  # a node that lags would show the past as a change
            if self._seen is None:
                self._seen = as_seen(self._snapshot, look)
            causes = findings(
                look, self._seen, health_factor=self._limits.alert, price_move=self._limits.price_move
            )
            self._seen = recovered(self._seen, look)
            return causes


def _quiet_keys(causes: tuple[WatchFinding, ...]) -> set[str]:
    """What has a quiet time of its own: each account whose health factor fell, and all else together."""
    urgent = {each.subject for each in causes if each.cause is WatchCause.HEALTH_FACTOR}
    return urgent or ({""} if causes else set())

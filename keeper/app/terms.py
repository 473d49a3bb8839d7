"""One process of ``keeper run``: one daemon, or with --standby one daemon for each term."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from apscheduler.triggers.base import BaseTrigger

from keeper.app.assembly import Progress
from keeper.app.clocks import PreemptibleClock
from keeper.app.composition import HeldKey
from keeper.app.daemon import OF_A_START, Daemon, Observer
from keeper.app.desk import OrderDesk
from keeper.app.monitors import Monitors
from keeper.app.running import announcing
from keeper.app.service import Service, follow_log, read_again, serving
from keeper.app.standby import SettingsAsked, Standby
from keeper.app.start import when_possible
from keeper.domain.errors import KeeperError, LeaseLost
from keeper.domain.record import Failure
from keeper.monitoring.events import Event, Reloaded, Reloading, ReloadRefused
from keeper.runtime.logs import logger
from keeper.settings.changes import changes
from keeper.settings.load import overridden
from keeper.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class Process:
    """What every daemon of this process has in common."""

    trigger: BaseTrigger
    held: HeldKey
    watchers: Monitors
    progress: Progress

    def daemon(self, service: Service, desk: OrderDesk) -> Daemon:
        running = service.in_force
        daemon = Daemon(
            running.keeper, self.held.mode, self.trigger, observers=running.observers, orders=desk
        )
        daemon.reload_with(service.reload)
        service.begin_watch(daemon.request_cycle)
        return daemon

    def tell(self, event: Event, also: Sequence[Observer] = ()) -> None:
        for observer in (*self.watchers.observers, *also):
            observer(event)


def run_alone(process: Process, settings: Settings) -> int:
    """Returns the exit code."""
    desk = OrderDesk(settings.journal_url, time.time)
    clock = PreemptibleClock(desk.wait)

    def opened() -> AbstractContextManager[Service]:
        return serving(settings, process.held, process.watchers, progress=process.progress, clock=clock)

    with ExitStack() as stack:
        service = when_possible(stack, opened, process.watchers.observers, wait=desk.wait)
        stack.enter_context(announcing(settings, process.held.mode))
        return process.daemon(service, desk).run()


class Turns:
    """Stands by and leads in turn. The settings in force outlive a term, and a hang-up reads them again at any time."""

    def __init__(self, process: Process, settings: Settings, standby: Standby) -> None:
        self._process = process
        self._settings = settings
        self._standby = standby

    def run(self) -> int:
        """Until the daemon ends by a signal or a halt. Returns the exit code."""
        standby = self._standby
        standby.tell(self._process.tell)
        with announcing(self._settings, self._process.held.mode, takes_turns=True), _hangups(standby):
            while True:
                try:
                    code = self._term()
                except SettingsAsked:
                    self._read_again()
                    continue
                except LeaseLost:
                    code = None
                if code is not None:
                    return code
                standby.ended()

    def _term(self) -> int | None:
        """From standing by to the end of one term. None where another keeper may lead by then. Raises LeaseLost,
        SettingsAsked."""
        process, standby, settings = self._process, self._standby, self._settings
        desk = OrderDesk(
            settings.journal_url, time.time, lambda: standby.reading.held
        )  # what wakes up late takes no order

        def wait(seconds: float) -> None:
            standby.require_term()
            desk.wait(seconds)

        def opened() -> AbstractContextManager[Service]:
            return serving(
                settings,
                process.held,
                process.watchers,
                progress=process.progress,
                clock=PreemptibleClock(wait),
                standby=standby,
            )

        with ExitStack() as stack:
            service = when_possible(stack, opened, process.watchers.observers, wait=standby.wait_for)
            daemon = process.daemon(service, desk)
            daemon.outlive_mistakes()
            standby.began()
            standby.lease.when_lost(daemon.leave)
            standby.lease.when_back(daemon.request_cycle)
            code = daemon.run()
            self._settings = service.settings
        if daemon.hung_up:
            standby.hang_up()
        return None if daemon.lost_its_lead else code

    def _read_again(self) -> None:
        """While this keeper stands by. Nodes that do not answer are not refused: it then says that it cannot lead."""
        process = self._process
        process.tell(Reloading(time.time(), time.monotonic_ns() // 1_000))
        try:
            settings, names = read_again(self._settings, process.held.account), overridden()
            apply = process.watchers.prepare(settings)
        except KeeperError as error:
            remedy = error.remedy.removesuffix(OF_A_START)
            stays = f"{remedy} The old settings stay in force."
            logger().error("reload_refused", error=error.name, reason=error.message, remedy=stays)
            failure = Failure(error.name, error.exit_code, message=error.message, remedy=remedy)
            process.tell(ReloadRefused(time.time(), failure))
            return
        sentences = tuple(map(str, changes(self._settings, settings)))
        self._settings = settings
        ending = apply()
        follow_log(settings, names)
        logger().info("reloaded", changes=list(sentences))
        process.tell(Reloaded(time.time(), sentences), ending)


@contextmanager
def _hangups(standby: Standby) -> Iterator[None]:
    """Between the daemons too a hang-up must not end the process."""
    previous = signal.signal(signal.SIGHUP, lambda *_: standby.hang_up())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)

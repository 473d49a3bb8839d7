"""Cycles on a schedule, one at a time. Late cycles coalesce, a halt ends the daemon, and signals end it cleanly."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger

from keeper import __version__
from keeper.app.daemon_ports import Cycles, NoOrders, Orders
from keeper.cycle.serve import LineService, service_is_due
from keeper.domain.errors import (
    BadInput,
    FileUnavailable,
    Halted,
    JournalUnreadable,
    JournalUnwritable,
    KeeperError,
    RestartNeeded,
)
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.record import CycleOutcome, DecisionRecord, Failure, Mode
from keeper.domain.urgency import Urgency
from keeper.monitoring.events import (
    CycleBegan,
    CycleEnded,
    CycleLost,
    Event,
    Reloaded,
    Reloading,
    ReloadRefused,
    Started,
    Stopped,
    Waiting,
)
from keeper.planning.post_trade import warnings
from keeper.runtime import memory
from keeper.runtime.logs import logger
from keeper.views.plan import CHECK
from keeper.views.record import log_line

JOB = "cycle"
INTERRUPTED = 130
NONE: Mapping[str, Any] = {}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
HANGUP = "SIGHUP"
OF_A_START = " Nothing was started."
"""How the remedy of a wrong setting ends. Of a reload it is not true."""
WAITING_EVERY_S = 60.0
"""How often the observers hear that the daemon waits."""


Observer = Callable[[Event], None]
"""Is told what the daemon does. It must not wait."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What the daemon runs by the settings that hold now. ``changes`` say, for people, how they differ from the earlier
    ones. ``ending`` are observers who hear of these settings and of nothing after that."""

    keeper: Cycles
    observers: Sequence[Observer]
    changes: tuple[str, ...] = ()
    ending: Sequence[Observer] = ()


Reload = Callable[[Callable[[], None]], InForce]
"""Reads the settings again and puts them in force; the argument asks for a cycle. Raises KeeperError where it cannot;
the old ones are in force then, as before."""


def nothing_to_reload(wake: Callable[[], None]) -> InForce:
    """Of a daemon whose settings come from no file."""
    del wake
    raise RestartNeeded("the settings of this keeper are in no file", remedy="Restart the keeper.")


class Daemon:
    """Runs ``keeper.cycle(mode)`` at once and then by ``trigger``, until a signal or a halt.

    Cycles run one after another on the calling thread; the scheduler only asks for them. Several cycles that become
    due during a cycle are one late cycle. A first signal lets the running cycle finish, a second interrupts it. An
    interruption is safe anywhere, because the journal knows what a cycle started and the next start settles it. A bug
    ends the daemon.

    After a hang-up the settings are read again, between two cycles. Several hang-ups before it begins are one. A cycle
    that is due when that would begin, also one that the watch asks for, goes first. One that falls due meanwhile waits
    for the end of it: app.service.LONGEST_RELOAD_S says how long that is.
    """

    def __init__(
        self,
        keeper: Cycles,
        mode: Mode,
        trigger: BaseTrigger,
        *,
        scheduler: BaseScheduler | None = None,
        observers: Sequence[Observer] = (),
        orders: Orders | None = None,
    ) -> None:
        self._keeper = keeper
        self._mode = mode
        self._trigger = trigger
        self._scheduler = scheduler if scheduler is not None else BackgroundScheduler(timezone=UTC)
        # Not an Event: a signal handler may put into this queue while the same thread waits on it.
        self._due: SimpleQueue[str | None] = SimpleQueue()
        self._in_cycle = False
        self._stopping = False
        self._left = False
        self._may_be_hopeless = True
        self._observers = observers
        self._orders = orders if orders is not None else NoOrders()
        self._reload: Reload = nothing_to_reload
        self._hung_up = False
        self._reload_has_waited = False
        self._reloading = False
        self._trouble: Failure | None = None
        self._cycles = 0
        self._exit_code = 0
        self._stop_signal: str | None = None
        self._log = logger(mode=mode.value, dry_run=not mode.sends)

    def reload_with(self, reload: Reload) -> None:
        """How a hang-up puts new settings in force."""
        self._reload = reload

    def run(self) -> int:
        """Blocks until a signal or a halt. Returns the exit code."""
        previous = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        previous[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_hangup)
        self._scheduler.add_job(
            self.request_cycle,
            self._trigger,
            id=JOB,
            next_run_time=datetime.now(UTC),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
        self._log.info("started", schedule=str(self._trigger))
        self._tell(Started(time.time(), self._mode, schedule=str(self._trigger), code_version=__version__))
        stop_listening = self._orders.listen(self.request_cycle)
        self._scheduler.start()
        try:
            while not self._stopping:
                self._wait()
                self.once()
        finally:
            stop_listening()
            self._scheduler.shutdown(wait=False)
            for number, handler in previous.items():
                signal.signal(number, handler)
        if not self.lost_its_lead:
            self._log.info(
                "stopped", signal=self._stop_signal, cycles=self._cycles, exit_code=self._exit_code
            )
            self._tell(Stopped(time.time(), self._exit_code, self._stop_signal))
        return self._exit_code

    def once(self) -> None:
        """One cycle, a service of the requests that wait, and a log line of each; nothing if the daemon is stopping. A
        person's order is a cycle of its own."""
        if self._stopping:
            return
        self._in_cycle = True
        next_look_at = self._next_look_at()
        self._tell(CycleBegan(time.time(), next_look_at))
        order, record, why = self._orders.next_order(), None, "the cycle was interrupted"
        try:
            request = (DeleverageRequest(order.health_factor, order.reason),) if order is not None else ()
            record = self._keeper.cycle(self._mode, *request, next_look_at=next_look_at)
            self._report(record)
            trouble = self._trouble = self._keeper.trouble
            if trouble is not None:
                self._failed(trouble)
            self._tell(CycleEnded(time.time(), record, trouble))
            if trouble is None and service_is_due(record) and not self._stopping:
                self._report_service(self._keeper.serve(self._mode))
        except KeyboardInterrupt:
            self._exit_code = INTERRUPTED
            self._log.warning(
                "interrupted",
                remedy="The journal knows what the cycle started, and the next start settles it.",
            )
        except KeeperError as error:
            why = self._lost(error)
        except OSError as error:
            if error.filename is None:
                raise
            remedy = "Repair the disk or the file's permissions. The next cycle tries again."
            why = self._lost(FileUnavailable(f"{error.filename}: {error.strerror}", remedy=remedy))
        finally:
            self._in_cycle = False
            self._cycles += 1
            self._orders.cycle_ended(record, why)
        memory.give_back()

    def _lost(self, error: KeeperError) -> str:
        """Tells of a cycle that left no record. Returns why, for who ordered it."""
        self._failed(error)
        failure = Failure(error.name, error.exit_code, message=error.message, remedy=error.remedy)
        if isinstance(error, JournalUnwritable | JournalUnreadable):
            self._trouble = failure
        self._tell(CycleLost(time.time(), failure))
        return f"{error.name}: {error.message}"

    def request_cycle(self) -> None:
        """Asks for a cycle. Several requests before it begins are one cycle."""
        self._due.put(None)

    def hang_up(self) -> None:
        """Asks for the settings to be read again. Several requests before that begins are one."""
        self._hung_up = True
        self._due.put(HANGUP)

    def stop(self) -> None:
        """Begins no further cycle; ``run`` returns when the present one ends."""
        self._stopping = True
        self._due.put(None)

    def leave(self) -> None:
        """As ``stop``, because another keeper leads: the process goes on, and stands by."""
        self._left = True
        self.stop()

    @property
    def lost_its_lead(self) -> bool:
        """Whether it only ends because another keeper leads, and not by a signal or a halt."""
        return self._left and self._stop_signal is None and self._exit_code == 0

    def outlive_mistakes(self) -> None:
        """From now on a first cycle that fails by its input does not end the process: it must be able to stand by."""
        self._may_be_hopeless = False

    @property
    def hung_up(self) -> bool:
        """Whether it ended before it read its settings again."""
        return self._hung_up

    def _tell(self, event: Event, also: Sequence[Observer] = ()) -> None:
        """An observer's bug is its own: it is logged, and the cycles go on."""
        for observer in (*self._observers, *also):
            try:
                observer(event)
            except Exception:  # noqa: BLE001 -- whatever it is, it must not end the daemon
                self._log.exception("observer_failed", watched=type(event).__name__)

    def _next_look_at(self) -> float | None:
        """Unix seconds of the schedule's next cycle after the present one; None if the schedule ends."""
        job = self._scheduler.get_job(JOB)
        following = job.next_run_time if job is not None else None
        return following.timestamp() if following is not None else None

    def _wait(self) -> None:
        """Until a cycle is due, or the daemon stops. New settings come into force here, and only here. A person's order
        does not wait for them. Any other cycle that is due goes before them once, so that cycles which are always due
        cannot keep them away."""
        due = False
        self._tell(Waiting(time.time()))
        while True:
            while not self._due.empty():
                due = self._due.get() != HANGUP or due
            if self._may_reload() and (self._reload_has_waited or not due):
                due = self._reload_settings() or due
            elif due:
                self._reload_has_waited = self._hung_up
                return
            else:
                try:
                    due = self._due.get(timeout=WAITING_EVERY_S) != HANGUP
                except Empty:
                    self._tell(Waiting(time.time()))

    def _may_reload(self) -> bool:
        return self._hung_up and not self._orders.waiting and not self._stopping

    def _reload_settings(self) -> bool:
        """Whether new settings are in force. Whatever goes wrong, the old ones are. A signal to stop ends it at once,
        because nothing is sent here."""
        self._hung_up = self._reload_has_waited = False
        self._tell(Reloading(time.time(), time.monotonic_ns() // 1_000))
        try:
            self._reloading = True
            try:
                in_force = self._in_force_after_reload()
            finally:
                self._reloading = False
        except KeyboardInterrupt:
            self._log.warning("reload_interrupted", remedy="The daemon ends with its old settings.")
            return False
        except KeeperError as error:
            remedy = error.remedy.removesuffix(OF_A_START)
            self._refuse(Failure(error.name, error.exit_code, message=error.message, remedy=remedy))
            return False
        except Exception as error:  # noqa: BLE001 -- whatever it is, the old settings are in force
            self._log.exception("reload_failed")
            remedy = "This is a defect: report it with the log. A restart reads the settings too."
            self._refuse(Failure(type(error).__name__, 1, message="the reload broke off", remedy=remedy))
            return False
        self._keeper, self._observers = in_force.keeper, in_force.observers
        self._log.info("reloaded", changes=list(in_force.changes))
        self._tell(Reloaded(time.time(), in_force.changes), also=in_force.ending)
        return True

    def _in_force_after_reload(self) -> InForce:
        """A keeper whose journal fails keeps what it has: what the second journal holds is not in the first one yet."""
        if self._trouble is not None:
            raise JournalUnwritable(
                f"while the journal is in trouble no settings are read again: {self._trouble.message}",
                remedy=f"{self._trouble.remedy} Then reload again.",
            )
        return self._reload(self.request_cycle)

    def _refuse(self, failure: Failure) -> None:
        remedy = f"{failure.remedy} The old settings stay in force."
        self._log.error("reload_refused", error=failure.name, reason=failure.message, remedy=remedy)
        self._tell(ReloadRefused(time.time(), failure))

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        # It must not log either.
        del number, frame
        self.hang_up()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # This must not log. The interrupted thread may hold the log's lock, and would wait for itself.
        del frame
        if self._stop_signal is not None and self._in_cycle:
            raise KeyboardInterrupt
        self._stop_signal = signal.Signals(number).name
        self.stop()
        if self._reloading:
            raise KeyboardInterrupt

    def _report(self, record: DecisionRecord) -> None:
        """One log line with the reason of the outcome. An emergency in which nothing is done is an error."""
        numbers = log_line(record)
        if record.failure is not None:
            self._failed(record.failure, numbers)
            return
        unusual = record.outcome is CycleOutcome.DECLINED or record.exit_code != 0
        helpless = unusual and numbers.get("urgency") == Urgency.EMERGENCY
        write = self._log.error if helpless else self._log.warning if unusual else self._log.info
        write(record.outcome.value.lower(), **numbers)
        for check in warnings(record.post_trade):
            self._log.warning("post_trade", record_id=numbers.get("record_id"), **CHECK.json(check))

    def _report_service(self, service: LineService) -> None:
        """One log line of what was done for the requests that wait."""
        if service.failure is not None:
            self._failed(service.failure, {"reason": service.decision.reason})
            return
        sent = {"tx_hash": service.receipt.tx_hash} if service.receipt is not None else {}
        self._log.info("line", call=service.decision.call, reason=service.decision.reason, **sent)

    def _failed(self, failure: KeeperError | Failure, numbers: Mapping[str, Any] = NONE) -> None:
        self._log.error(
            "failed",
            **{
                **numbers,
                "error": failure.name,
                "reason": failure.message,
                "remedy": failure.remedy,
                "exit_code": failure.exit_code,
            },
        )
        hopeless = self._may_be_hopeless and failure.exit_code == BadInput.exit_code and self._cycles == 0
        if hopeless or failure.exit_code == Halted.exit_code:
            self._exit_code = failure.exit_code
            self._stopping = True

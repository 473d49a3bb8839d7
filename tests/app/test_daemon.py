from __future__ import annotations

import errno
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
import structlog
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from keeper.app.daemon import Daemon
from keeper.app.schedule import trigger_from
from keeper.cycle.serve import LineService
from keeper.domain.decision import Action
from keeper.domain.errors import AlreadyRunning, JournalUnwritable, NodeUnavailable
from keeper.domain.line import LineCall, LineDecision
from keeper.domain.orders import Order
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.plan import Check
from keeper.domain.record import CycleOutcome, DecisionRecord, Failure, Mode
from keeper.domain.redemptions import Redemptions
from keeper.monitoring.alert_kinds import UNWRITABLE
from keeper.monitoring.conditions import states
from keeper.monitoring.daemon_state import DaemonState, after
from keeper.monitoring.events import CycleEnded
from tests.views.records import a_failure, a_record

TRIGGER = trigger_from("1h")


class Scheduler(BaseScheduler):  # type: ignore[misc]  # apscheduler has no types
    """Falls due a given number of times at once when it is started."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.options: dict[str, Any] = {}
        self.stopped = False
        self.job: Callable[[], None] = lambda: None

    def add_job(self, func: Callable[[], None], trigger: Any = None, **options: Any) -> None:
        self.job = func
        self.options = options

    def start(self, paused: bool = False) -> None:
        for _ in range(self.times):
            self.job()

    def shutdown(self, wait: bool = True) -> None:
        self.stopped = True

    def wakeup(self) -> None: ...


class Keeper:
    """Returns or raises what it is given, one per cycle; after the last it asks the daemon to stop."""

    def __init__(self, *outcomes: DecisionRecord | Exception | Callable[[], DecisionRecord]) -> None:
        self.outcomes = list(outcomes)
        self.modes: list[Mode] = []
        self.requests: list[DeleverageRequest | None] = []
        self.next_looks: list[float | None] = []
        self.daemon: Daemon | None = None
        self.served: list[Mode] = []
        self.trouble: Failure | None = None
        self.service = LineService(LineDecision(LineCall.CLOSE, "requests wait in an open batch"))

    def cycle(
        self,
        mode: Mode,
        deleverage_request: DeleverageRequest | None = None,
        *,
        next_look_at: float | None = None,
    ) -> DecisionRecord:
        self.modes.append(mode)
        self.requests.append(deleverage_request)
        self.next_looks.append(next_look_at)
        outcome = self.outcomes.pop(0)
        if self.daemon is not None:
            self.daemon.request_cycle()
            if not self.outcomes:
                self.daemon.stop()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome() if callable(outcome) else outcome

    def serve(self, mode: Mode) -> LineService:
        self.served.append(mode)
        return self.service


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def daemon_of(keeper: Keeper, *, times: int = 1, mode: Mode = Mode.DRY_RUN) -> tuple[Daemon, Scheduler]:
    scheduler = Scheduler(times)
    daemon = Daemon(keeper, mode, TRIGGER, scheduler=scheduler)
    keeper.daemon = daemon
    return daemon, scheduler


def unavailable() -> NodeUnavailable:
    return NodeUnavailable("no answer", remedy="Start the node.")


def test_late_calls_coalesce_into_one_cycle() -> None:
    keeper = Keeper(a_record(outcome=CycleOutcome.HELD))
    daemon, _ = daemon_of(keeper, times=5)
    assert daemon.run() == 0
    assert keeper.modes == [Mode.DRY_RUN]


def test_the_schedule_allows_one_instance_and_forgives_lateness() -> None:
    daemon, scheduler = daemon_of(Keeper(a_record()))
    daemon.run()
    options = scheduler.options
    assert (options["max_instances"], options["coalesce"], options["misfire_grace_time"]) == (1, True, None)
    assert scheduler.stopped


def test_what_may_be_off_after_a_rebalance_is_a_warning_of_its_own(lines: list[Any]) -> None:
    checks = (
        Check("nav_as_simulated", 3.0, 20.0, True, "NAV as simulated"),
        Check("outputs_as_quoted", 31.0, 20.0, False, "USDC sold for less LINK than quoted"),
    )
    keeper = Keeper(a_record(outcome=CycleOutcome.SENT, post_trade=checks))
    assert daemon_of(keeper)[0].run() == 0
    (line,) = [line for line in lines if line["event"] == "post_trade"]
    assert (line["log_level"], line["name"], line["value"]) == ("warning", "outputs_as_quoted", 31.0)


def waiting(**changes: Any) -> DecisionRecord:
    """A record of a cycle that saw requests wait."""
    record = a_record(outcome=CycleOutcome.HELD, receipt=None, **changes)
    assert record.inputs is not None
    redemptions = Redemptions(pending_shares=10**15, value=10**9, since=0)
    snapshot = replace(record.inputs.snapshot, redemptions=redemptions)
    return replace(record, inputs=replace(record.inputs, snapshot=snapshot, in_flight=None))


def test_requests_are_served_after_a_cycle_that_sent_nothing(lines: list[Any]) -> None:
    keeper = Keeper(waiting(), a_record(outcome=CycleOutcome.HELD))
    assert daemon_of(keeper, mode=Mode.LIVE)[0].run() == 0
    assert keeper.served == [Mode.LIVE]
    (line,) = [line for line in lines if line["event"] == "line"]
    assert (line["call"], line["reason"]) == ("close", "requests wait in an open batch")


def test_a_service_that_fails_is_reported_and_the_daemon_goes_on(lines: list[Any]) -> None:
    keeper = Keeper(waiting(), a_record(outcome=CycleOutcome.HELD))
    keeper.service = LineService(LineDecision(None, "the line was not read"), failure=a_failure())
    assert daemon_of(keeper)[0].run() == 0
    assert [line["error"] for line in lines if line["event"] == "failed"] == [a_failure().name]
    assert len(keeper.modes) == 2


def test_a_failure_does_not_end_the_daemon(lines: list[Any]) -> None:
    failed = a_record(
        outcome=CycleOutcome.FAILED, failure=a_failure(), conclusions=None, inputs=None, exit_code=3
    )
    keeper = Keeper(failed, unavailable(), a_record())
    daemon, _ = daemon_of(keeper)
    assert daemon.run() == 0
    assert len(keeper.modes) == 3
    assert [line["event"] for line in lines if line["event"] not in ("started", "stopped")] == [
        "failed",
        "failed",
        "would_send",
    ]
    assert lines[1]["remedy"] == "Start the node."


@pytest.mark.parametrize(
    "halt",
    [
        AlreadyRunning("another process holds the journal", remedy="Stop it."),
        a_record(
            outcome=CycleOutcome.FAILED, failure=Failure("JournalCorrupt", 7, "row 3", "Look."), exit_code=7
        ),
    ],
)
def test_a_halt_ends_the_daemon_with_its_exit_code(halt: Exception | DecisionRecord) -> None:
    keeper = Keeper(halt, a_record())
    daemon, scheduler = daemon_of(keeper)
    assert daemon.run() == 7
    assert len(keeper.modes) == 1
    assert scheduler.stopped


def test_settings_that_cannot_work_end_the_daemon_at_its_first_cycle_only() -> None:
    wrong = a_record(
        outcome=CycleOutcome.FAILED, failure=Failure("WrongChain", 2, "chain 1", "Mend it."), exit_code=2
    )
    assert daemon_of(Keeper(wrong, a_record()))[0].run() == 2
    assert daemon_of(Keeper(a_record(), wrong, a_record()))[0].run() == 0


def test_a_bug_is_not_swallowed() -> None:
    daemon, scheduler = daemon_of(Keeper(ZeroDivisionError("bug")))
    with pytest.raises(ZeroDivisionError):
        daemon.run()
    assert scheduler.stopped


def test_a_signal_during_a_cycle_lets_it_finish_and_begins_no_other(lines: list[Any]) -> None:
    def interrupted() -> DecisionRecord:
        signal.raise_signal(signal.SIGTERM)
        return a_record()

    keeper = Keeper(interrupted, a_record())
    daemon, _ = daemon_of(keeper)
    assert daemon.run() == 0
    assert len(keeper.modes) == 1
    assert "would_send" in [line["event"] for line in lines]


def test_a_signal_in_the_middle_of_a_log_line_ends_it_as_well() -> None:
    """The line's lock is held by the very thread that the signal interrupts: a handler that logs never returns."""

    class Interrupting(StringIO):
        def write(self, text: str) -> int:
            if "would_send" in text:
                signal.raise_signal(signal.SIGINT)
            return super().write(text)

    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(Interrupting()),
    )
    keeper = Keeper(a_record(), a_record())
    daemon, _ = daemon_of(keeper)
    assert daemon.run() == 0
    assert len(keeper.modes) == 1


def test_a_second_signal_interrupts_the_cycle(lines: list[Any]) -> None:
    def interrupted_twice() -> DecisionRecord:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second signal leaves")

    daemon, _ = daemon_of(Keeper(interrupted_twice, a_record()))
    assert daemon.run() == 130
    assert "interrupted" in [line["event"] for line in lines]


def test_the_first_signal_after_the_lead_is_lost_lets_the_cycle_finish() -> None:
    def loses_its_lead() -> DecisionRecord:
        daemon.leave()
        signal.raise_signal(signal.SIGTERM)
        return a_record()

    daemon, _ = daemon_of(Keeper(loses_its_lead))
    assert daemon.run() == 0
    assert not daemon.lost_its_lead  # it ends, and does not stand by


def test_signal_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    daemon_of(Keeper(a_record()))[0].run()
    assert before == signal.getsignal(signal.SIGTERM)


def test_every_line_says_whether_it_is_a_dry_run(lines: list[Any]) -> None:
    daemon_of(Keeper(a_record()))[0].run()
    assert {True} == {line["dry_run"] for line in lines}
    lines.clear()
    daemon_of(Keeper(a_record(mode=Mode.LIVE)), mode=Mode.LIVE)[0].run()
    assert {False} == {line["dry_run"] for line in lines}


def test_a_line_answers_why_it_traded_or_why_not(lines: list[Any]) -> None:
    daemon_of(Keeper(a_record()))[0].run()
    line = next(line for line in lines if line["event"] == "would_send")
    assert Action.REBALANCE.value == line["action"]
    assert line["triggers"] == ["risk_share"]
    assert line["failed_gates"] == ["gas_balance"]
    assert "share of risk" in line["reason"]
    json.dumps({key: value for key, value in line.items() if key != "log_level"}, allow_nan=False)


@pytest.mark.parametrize(
    ("every", "seconds"), [("30s", 30), ("15min", 900), ("5m", 300), ("1h", 3600), ("1d", 86400)]
)
def test_an_interval_or_five_cron_fields_are_read(every: str, seconds: int) -> None:
    trigger = trigger_from(every)
    assert isinstance(trigger, IntervalTrigger)
    assert seconds == trigger.interval.total_seconds()
    assert isinstance(trigger_from("5 * * * *"), CronTrigger)


def test_with_the_real_scheduler_the_first_cycle_comes_at_once() -> None:
    keeper = Keeper(a_record())
    daemon = Daemon(keeper, Mode.DRY_RUN, TRIGGER)
    keeper.daemon = daemon
    assert daemon.run() == 0
    assert keeper.modes == [Mode.DRY_RUN]


def test_a_cycle_is_told_when_the_schedule_looks_next() -> None:
    keeper = Keeper(a_record())
    daemon = Daemon(keeper, Mode.DRY_RUN, TRIGGER)
    keeper.daemon = daemon
    before = time.time()
    daemon.run()
    (following,) = keeper.next_looks
    assert following is not None
    assert before + 3_590 <= following <= time.time() + 3_600


class Desk:
    """app.daemon.Orders with orders that wait already."""

    def __init__(self, *orders: Order) -> None:
        self.orders = list(orders)
        self.answered: list[tuple[str | None, str]] = []
        self.listens = False

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        self.listens = True
        return lambda: setattr(self, "listens", False)

    @property
    def waiting(self) -> bool:
        return bool(self.orders)

    def next_order(self) -> Order | None:
        return self.orders.pop(0) if self.orders else None

    def cycle_ended(self, record: DecisionRecord | None, why: str = "") -> None:
        self.answered.append((record.record_id if record is not None else None, why))


def ordered_cycles(*outcomes: DecisionRecord | Exception) -> tuple[Keeper, Desk]:
    """A daemon with one order, and these outcomes of its cycles."""
    keeper = Keeper(*outcomes)
    desk = Desk(Order(1, 2.0, "by hand", at=0, expires_at=30))
    daemon = Daemon(keeper, Mode.LIVE, TRIGGER, scheduler=Scheduler(1), orders=desk)
    keeper.daemon = daemon
    daemon.run()
    return keeper, desk


def test_an_order_is_a_cycle_of_its_own_and_is_answered_with_its_record() -> None:
    record = a_record(outcome=CycleOutcome.SENT)
    keeper, desk = ordered_cycles(record, a_record(outcome=CycleOutcome.HELD))
    assert keeper.requests == [DeleverageRequest(2.0, "by hand"), None]
    assert desk.answered[0][0] == record.record_id
    assert not desk.listens


def test_an_order_whose_cycle_leaves_no_record_is_answered_with_the_reason() -> None:
    _, desk = ordered_cycles(unavailable())
    assert desk.answered == [(None, "NodeUnavailable: no answer")]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (JournalUnwritable("the disk is full", remedy="Free it."), "the disk is full"),
        (OSError(errno.EIO, "Input/output error", "/mnt/file"), "/mnt/file: Input/output error"),
    ],
)
def test_a_disk_that_fails_does_not_end_the_daemon(trouble: Exception, reason: str, lines: list[Any]) -> None:
    keeper = Keeper(trouble, trouble, a_record(outcome=CycleOutcome.HELD))
    assert daemon_of(keeper, mode=Mode.LIVE)[0].run() == 0
    assert len(keeper.modes) == 3
    told = [(line["exit_code"], line["reason"]) for line in lines if line["event"] == "failed"]
    assert told == [(3, reason)] * 2


def test_a_record_in_the_fallback_journal_is_told_as_an_unwritable_journal(lines: list[Any]) -> None:
    keeper, told = Keeper(a_record(outcome=CycleOutcome.HELD)), list[object]()
    keeper.trouble = Failure("JournalUnwritable", 3, message="the disk is full", remedy="Free disk space.")
    daemon = Daemon(keeper, Mode.LIVE, TRIGGER, scheduler=Scheduler(1), observers=(told.append,))
    keeper.daemon = daemon
    daemon.run()
    (ended,) = (event for event in told if isinstance(event, CycleEnded))
    assert ended.trouble == keeper.trouble
    assert any(line["event"] == "failed" and "disk is full" in line["reason"] for line in lines)
    (alert,) = (alert for alert in states(ended).alerts if alert.kind is UNWRITABLE)
    assert "fallback journal" in alert.title
    assert not after(DaemonState(), ended).journal_writable

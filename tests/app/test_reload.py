"""A hang-up of the daemon: when its settings are read again, and what a failure leaves in force."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from keeper.app.daemon import Daemon, InForce
from keeper.domain.errors import InvalidSetting, JournalUnwritable, KeeperError
from keeper.domain.orders import Order
from keeper.domain.record import CycleOutcome, DecisionRecord, Failure, Mode
from keeper.monitoring.events import Event, Reloaded, Reloading, ReloadRefused
from tests.app.test_daemon import TRIGGER, Desk, Keeper, Scheduler
from tests.views.records import a_record

HELD = a_record(outcome=CycleOutcome.HELD)


def hang_up() -> DecisionRecord:
    signal.raise_signal(signal.SIGHUP)
    return HELD


def hang_up_twice() -> DecisionRecord:
    signal.raise_signal(signal.SIGHUP)
    return hang_up()


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as captured:
        yield captured
    structlog.reset_defaults()


class Scene:
    """A daemon whose first keeper hangs up in its cycle. ``reload`` says what comes of each reading."""

    def __init__(
        self, first: Keeper, *readings: InForce | Exception | Callable[[], InForce], desk: Desk | None = None
    ) -> None:
        self.events: list[Event] = []
        self.readings = list(readings)
        self.cycles_before: list[int] = []
        self.first = first
        self.daemon = Daemon(
            first,
            Mode.LIVE,
            TRIGGER,
            scheduler=Scheduler(1),
            observers=(self.hears,),
            orders=desk,
        )
        self.daemon.reload_with(self.reload)
        first.daemon = self.daemon

    def reload(self, wake: Callable[[], None]) -> InForce:
        self.cycles_before.append(len(self.first.modes))
        reading = self.readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading() if callable(reading) else reading

    def hears(self, event: Event) -> None:
        """After a refusal one more cycle runs, which ends the daemon."""
        self.events.append(event)
        if isinstance(event, ReloadRefused):
            self.first.daemon = self.daemon
            self.daemon.request_cycle()

    def follower(self, *outcomes: DecisionRecord | Callable[[], DecisionRecord]) -> Keeper:
        """A keeper of new settings, which ends the daemon after its last cycle."""
        keeper = Keeper(*(outcomes or (HELD,)))
        keeper.daemon = self.daemon
        return keeper

    def run(self) -> int:
        return self.daemon.run()

    def reported(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]


def test_new_settings_come_into_force_after_the_cycle_and_ask_for_one(lines: list[Any]) -> None:
    scene, told = Scene(Keeper(hang_up, HELD)), list[Event]()
    scene.first.daemon = None  # it asks for no further cycle
    follower = scene.follower()
    scene.readings = [InForce(follower, (told.append,), ("size.max_leverage = 1.5 (it was 2.0)",))]
    before = signal.getsignal(signal.SIGHUP)
    assert scene.run() == 0
    assert (len(scene.first.modes), len(follower.modes)) == (1, 1)
    (line,) = (line for line in lines if line["event"] == "reloaded")
    assert line["changes"] == ["size.max_leverage = 1.5 (it was 2.0)"]
    assert [type(event).__name__ for event in told] == ["Reloaded", "CycleBegan", "CycleEnded", "Stopped"]
    assert len(scene.reported(Reloading)) == 1
    assert signal.getsignal(signal.SIGHUP) == before


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (
            InvalidSetting("size.max_leverage = 9: too high", remedy="Correct it. Nothing was started."),
            "InvalidSetting",
        ),
        (RuntimeError("can't start new thread"), "RuntimeError"),
        (OSError("the disk is gone"), "OSError"),
    ],
)
def test_what_cannot_be_put_in_force_leaves_the_old_settings_and_the_daemon(
    error: Exception, name: str, lines: list[Any]
) -> None:
    scene = Scene(Keeper(hang_up, HELD), error)
    scene.first.daemon = None
    assert scene.run() == 0
    assert len(scene.first.modes) == 2
    (refused,) = scene.reported(ReloadRefused)
    assert isinstance(refused, ReloadRefused)
    assert refused.failure.name == name
    assert "Nothing was started" not in f"{refused.failure.remedy} {lines}"
    (line,) = (line for line in lines if line["event"] == "reload_refused")
    assert line["remedy"].endswith("The old settings stay in force.")
    if isinstance(error, KeeperError):
        assert (line["reason"], "Correct it." in line["remedy"]) == (error.message, True)


@pytest.mark.parametrize("how", ["second journal", "lost cycle"])
def test_while_the_journal_is_in_trouble_nothing_is_read(how: str, lines: list[Any]) -> None:
    full = JournalUnwritable("the disk is full", remedy="Free disk space.")

    def lost() -> DecisionRecord:
        signal.raise_signal(signal.SIGHUP)
        raise full

    first = Keeper(hang_up if how == "second journal" else lost, HELD)
    if how == "second journal":
        first.trouble = Failure("JournalUnwritable", 3, message=full.message, remedy=full.remedy)
    scene = Scene(first)
    scene.first.daemon = None
    assert scene.run() == 0
    assert scene.cycles_before == []
    (line,) = (line for line in lines if line["event"] == "reload_refused")
    assert line["error"] == "JournalUnwritable"
    assert "the disk is full" in line["reason"]


def test_hang_ups_before_a_reload_are_one_and_each_one_during_it_is_another_after_a_cycle() -> None:
    scene = Scene(Keeper(hang_up_twice))
    scene.first.daemon = None
    second, third = scene.follower(), scene.follower()
    second.daemon = None

    def hung_up_meanwhile() -> InForce:
        signal.raise_signal(signal.SIGHUP)
        return InForce(second, (scene.events.append,))

    scene.readings = [hung_up_meanwhile, InForce(third, (scene.events.append,))]
    assert scene.run() == 0
    assert len(scene.reported(Reloaded)) == 2
    assert [len(keeper.modes) for keeper in (scene.first, second, third)] == [1, 1, 1]


def test_a_cycle_that_is_due_goes_before_the_reload_and_the_reload_before_the_next_one() -> None:
    def watched() -> DecisionRecord:
        """Hangs up, and the watch sees something."""
        scene.daemon.request_cycle()
        return hang_up()

    def busy() -> DecisionRecord:
        scene.daemon.request_cycle()
        return HELD

    scene = Scene(Keeper(watched, busy))
    scene.first.daemon = None
    scene.readings = [InForce(scene.follower(), (scene.events.append,))]
    assert scene.run() == 0
    assert scene.cycles_before == [2]
    names = [type(event).__name__ for event in scene.events]
    assert names.index("Reloaded") < len(names) - 1 - names[::-1].index("CycleBegan")


def test_who_is_watching_no_more_hears_of_the_reload_and_of_nothing_after_it() -> None:
    scene, told = Scene(Keeper(hang_up)), list[Event]()
    scene.first.daemon = None
    scene.readings = [InForce(scene.follower(), (scene.events.append,), ending=(told.append,))]
    assert scene.run() == 0
    assert [type(event).__name__ for event in told] == ["Reloaded"]


def test_a_persons_order_is_carried_out_before_the_settings_are_read() -> None:
    order = Order(1, 2.0, "now", at=0, expires_at=10)
    desk = Desk(order)
    scene = Scene(Keeper(HELD, HELD), desk=desk)
    scene.first.daemon = None
    scene.readings = [InForce(scene.follower(), (scene.events.append,))]
    scene.daemon.hang_up()
    assert scene.run() == 0
    assert scene.cycles_before == [1]
    assert scene.first.requests[0] is not None
    assert len(desk.answered) == 2


def test_an_order_that_comes_during_the_reload_is_the_new_keepers() -> None:
    desk = Desk()
    scene = Scene(Keeper(hang_up, HELD), desk=desk)
    scene.first.daemon = None
    follower = scene.follower()

    def reading() -> InForce:
        desk.orders.append(Order(1, 2.0, "now", at=0, expires_at=10))
        return InForce(follower, ())

    scene.readings = [reading]
    assert scene.run() == 0
    assert follower.requests[0] is not None
    assert [answer[0] for answer in desk.answered] == [HELD.record_id] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_ends_the_reload_and_the_daemon(number: signal.Signals, lines: list[Any]) -> None:
    def reading() -> InForce:
        signal.raise_signal(number)
        raise AssertionError("the signal ends it")

    scene = Scene(Keeper(hang_up, HELD), reading)
    scene.first.daemon = None
    assert scene.run() == 0
    assert len(scene.first.modes) == 1
    assert [line["event"] for line in lines][-2:] == ["reload_interrupted", "stopped"]
    assert scene.reported(Reloaded, ReloadRefused) == []

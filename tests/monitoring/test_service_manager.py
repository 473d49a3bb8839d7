from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Signal
from uuid import uuid4

import pytest
import structlog

from keeper.app.monitors import monitors
from keeper.domain.record import CycleOutcome, Failure
from keeper.monitoring.alert_kinds import Alert
from keeper.monitoring.daemon_state import LONGEST_CYCLE_S, OVERDUE_S
from keeper.monitoring.events import CycleBegan, Event, Reloaded, Reloading, ReloadRefused, Waiting
from keeper.monitoring.notifier import AlertSender, DeadManSwitch
from keeper.monitoring.service_manager import ServiceManager
from keeper.runtime.service_socket import VARIABLE, ServiceSocket, service_socket
from keeper.settings.schema import Settings
from tests.factories import NOW
from tests.monitoring.reported import a_quiet_record, ended, lead_lost, lost, stands_by, started, stopped

HOUR = 3_600.0
BEGAN = CycleBegan(float(NOW), NOW + HOUR)
CYCLE = (started(), BEGAN, ended(a_quiet_record(), NOW + 5.0))


class Systemd:
    """The socket on which the service manager listens."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """The messages that wait, oldest first."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4_096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@keeper-{uuid4().hex}"


@pytest.fixture
def systemd(address: str) -> Iterator[Systemd]:
    listener = Systemd(address)
    yield listener
    listener.close()


def told(*events: Event) -> list[tuple[str, ...]]:
    """The messages for these events."""
    messages: list[tuple[str, ...]] = []
    manager = ServiceManager(lambda *lines: messages.append(lines))
    for event in events:
        manager(event)
    return messages


def test_a_daemon_is_ready_moves_and_ends(
    monkeypatch: pytest.MonkeyPatch, address: str, systemd: Systemd
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    with monitors(Settings()) as watchers:
        for event in (*CYCLE, Waiting(NOW + 60.0), stopped(NOW + 70.0)):
            for observer in watchers.observers:
                observer(event)
    heard = systemd.heard()
    assert heard[0].splitlines()[0] == "READY=1"
    assert [message.splitlines()[-1] for message in heard] == ["WATCHDOG=1"] * 5
    assert heard[2].startswith(f"STATUS=the newest cycle {CycleOutcome.HELD.value}\n")
    assert "STOPPING=1" in heard[4].splitlines()


@pytest.mark.parametrize("address", ["", "not-a-path", "vsock:2:1234"])
def test_without_a_socket_of_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(VARIABLE, address)
    assert service_socket() is None
    with monitors(Settings()) as watchers:
        assert watchers.observers == ()


def test_a_socket_that_is_gone_is_logged_and_ends_nothing(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        ServiceSocket(str(tmp_path / "gone")).tell("READY=1")
    assert [line["event"] for line in lines] == ["service_manager_not_told"]


def test_a_socket_that_nobody_reads_does_not_hold_the_daemon_up(address: str, systemd: Systemd) -> None:
    full = ServiceSocket(address)
    with structlog.testing.capture_logs() as lines:
        while not lines:
            full.tell("WATCHDOG=1")
    assert systemd.heard()


def test_a_daemon_that_waits_beyond_its_next_look_is_no_longer_kept_alive() -> None:
    on_time = Waiting(NOW + HOUR + OVERDUE_S)
    overdue = Waiting(NOW + HOUR + OVERDUE_S + 1)
    assert told(*CYCLE, on_time)[-1] == ("WATCHDOG=1",)
    assert told(*CYCLE, overdue) == told(*CYCLE)


def test_a_cycle_tells_nothing_until_it_ends() -> None:
    assert told(started(), BEGAN)[-1] == ("WATCHDOG=1",)
    late = ended(a_quiet_record(), NOW + LONGEST_CYCLE_S + 1)
    assert "WATCHDOG=1" in told(started(), BEGAN, late)[-1]


def test_a_lost_cycle_keeps_the_daemon_alive_and_shows_why() -> None:
    assert told(*CYCLE, BEGAN, lost(at=NOW + 9.0))[-1] == (
        "STATUS=the newest cycle failed: JournalUnwritable",
        "WATCHDOG=1",
    )


def test_a_channel_that_hangs_for_a_day_is_not_filled_with_signs_of_life() -> None:
    asked, release, sent = Signal(), Signal(), []

    class Hanging:
        def send(self, alert: Alert) -> bool:
            asked.set()
            release.wait(10.0)
            sent.append(alert.kind.name)
            return True

    sender = AlertSender(Hanging(), summary_hour=7, wait=lambda _: None)
    sender(started())
    assert asked.wait(10.0)
    for minute in range(24 * 60):
        sender(Waiting(NOW + 60.0 * minute))
    for minute in range(24 * 60):
        sender(stands_by(at=NOW + 60.0 * minute))
    sender(stopped(NOW + 86_400.0))
    release.set()
    sender.close(10.0)
    assert sender.dropped == 0
    assert sent == ["started", "stopped"]


def test_a_standby_is_ready_and_alive_and_shows_who_leads() -> None:
    assert told(stands_by())[-1] == (
        "READY=1",
        "STATUS=stands by (a process 1 leads), could take over now",
        "WATCHDOG=1",
    )
    assert told(stands_by("NodeUnavailable: no answer"))[-1][1] == (
        "STATUS=stands by (a process 1 leads), cannot take over: NodeUnavailable: no answer"
    )
    assert told(lead_lost())[-1][0] == "STATUS=leads no more: the database ended the session"


def test_the_dead_mans_switch_hears_a_standby_that_could_take_over() -> None:
    pings = list[None]()

    def ping() -> bool:
        pings.append(None)
        return True

    switch = DeadManSwitch(ping)
    switch(stands_by("NodeUnavailable: no answer"))
    switch(stands_by())
    switch.close(10.0)
    assert len(pings) == 1


def test_a_start_that_waits_for_its_journal_asks_for_more_time() -> None:
    (message,) = told(lost())
    assert "EXTEND_TIMEOUT_USEC=120000000" in message
    assert not [line for message in told(started(), lost()) for line in message if line.startswith("EXTEND")]


def test_a_reload_is_told_with_its_begin_and_its_outcome() -> None:
    failure = Failure("InvalidSetting", 2, message="size.max_leverage = 9: too high", remedy="Correct it.")
    messages = told(
        started(),
        Reloading(NOW + 1.0, 123_456_789),
        Reloaded(NOW + 2.0, ("size.max_leverage = 1.5 (it was 2.0)",)),
        Reloading(NOW + 3.0, 123_456_799),
        ReloadRefused(NOW + 4.0, failure),
    )
    assert messages[1][:2] == ("RELOADING=1", "MONOTONIC_USEC=123456789")
    assert messages[2][:2] == ("READY=1", "STATUS=reloaded, 1 settings changed")
    assert messages[4][0] == "READY=1"
    assert "InvalidSetting" in messages[4][1]

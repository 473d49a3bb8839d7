"""The daemon with its observers on real sockets: each fault is told once, and no channel delays or ends a cycle."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from keeper.app.daemon import Daemon
from keeper.app.monitors import monitors
from keeper.app.schedule import trigger_from
from keeper.cycle.serve import LineService
from keeper.domain.decision import Action
from keeper.domain.errors import InvalidSetting, JournalUnwritable
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.record import DecisionRecord, Failure, Mode
from keeper.monitoring.channels import AppriseChannels
from keeper.monitoring.daemon_state import Chat, ChatCounts
from keeper.monitoring.events import Reloaded, Waiting
from keeper.settings.schema import Settings
from tests.factories import NOW, a_fire_drill
from tests.monitoring.listener import SECRET, Listener, listening
from tests.monitoring.reported import (
    a_breach,
    a_failed_record,
    a_low_balance,
    a_pause,
    a_quiet_record,
    a_stuck_transaction,
    a_trade,
    ended,
    started,
    stopped,
    with_inputs,
)
from tests.monitoring.test_alerts import a_suspect_price

pytestmark = pytest.mark.faults

Outcome = DecisionRecord | Exception


class Keeper:
    """Gives one outcome a cycle, and ends the daemon after the last. ``took_s`` is the longest pause between two
    cycles."""

    def __init__(self, *outcomes: Outcome, before_end: Callable[[], object] = lambda: None) -> None:
        self.outcomes = list(outcomes)
        self.before_end = before_end
        self.daemon: Daemon | None = None
        self.began: list[float] = []

    def cycle(
        self,
        mode: Mode,
        deleverage_request: DeleverageRequest | None = None,
        *,
        next_look_at: float | None = None,
    ) -> DecisionRecord:
        assert deleverage_request is None
        assert self.daemon is not None
        self.began.append(time.monotonic())
        outcome = self.outcomes.pop(0)
        self.daemon.request_cycle()
        if not self.outcomes:
            self.before_end()
            self.daemon.stop()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def trouble(self) -> Failure | None:
        return None

    def serve(self, mode: Mode) -> LineService:
        raise AssertionError("nobody waits in these records")

    @property
    def longest_s(self) -> float:
        return max(after - before for before, after in zip(self.began, self.began[1:], strict=False))


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as it:
        yield it


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as captured:
        yield captured


def run(keeper: Keeper, **settings: Any) -> int:
    with monitors(Settings(**settings)) as watchers:
        daemon = Daemon(keeper, Mode.LIVE, trigger_from("1h"), observers=watchers.observers)
        keeper.daemon = daemon
        return daemon.run()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def unwritable() -> JournalUnwritable:
    return JournalUnwritable("the disk is full", remedy="Free disk space.")


FAULTS: dict[str, Outcome] = {
    "rebalanced": a_trade(),
    "ripcord": a_trade(Action.RIPCORD),
    "breach": a_breach(),
    "stuck": a_stuck_transaction(),
    "paused": a_pause(),
    "suspect_data": a_suspect_price(),
    "low_gas": a_low_balance(),
    "failing": a_failed_record(),
    "smaller_fall": with_inputs(a_quiet_record(), drill=a_fire_drill(0.1)),
    "unwritable": unwritable(),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_reaches_the_socket_once_within_a_minute(
    kind: str, listener: Listener, lines: list[Any]
) -> None:
    fault = FAULTS[kind]
    lasting = [fault] * (1 if kind in ("rebalanced", "ripcord") else 3)
    quiet = a_quiet_record()
    if kind == "unwritable":
        lasting = [unwritable()]  # it halts the daemon
    began = time.monotonic()
    run(Keeper(quiet, *lasting), alert_urls=SecretStr(listener.alert_url))
    assert listener.wait_for(messages=3)
    assert listener.kinds().count(kind) == 1
    (message,) = [message for message in listener.messages if f" {kind}:" in message["title"]]
    assert message["came_at"] - began < 60.0
    assert listener.kinds()[0] == "started"
    assert listener.kinds()[-1] == "stopped"
    assert SECRET not in str(lines)


def test_a_channel_that_hangs_delays_no_cycle_and_not_the_end_for_long(
    listener: Listener, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.app.monitors.LAST_WORDS_S", 0.5)
    listener.held = True
    keeper = Keeper(*[a_pause()] * 200)
    began = time.monotonic()
    run(keeper, alert_urls=SecretStr(listener.alert_url), dead_man_url=SecretStr(listener.ping_url))
    assert keeper.longest_s < 1.0
    assert time.monotonic() - began < 30.0
    assert len(keeper.began) == 200
    listener.released.set()
    assert listener.wait_for(messages=2, pings=1), "what waited is sent when the channel answers again"
    assert SECRET not in str(lines)


def test_a_channel_that_refuses_is_tried_again_and_logged_without_its_address(
    listener: Listener, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.monitoring.notifier.RETRY_S", 0.01)
    listener.status = 500
    run(Keeper(a_quiet_record()), alert_urls=SecretStr(listener.alert_url))
    assert listener.kinds() == ["started"] * 3 + ["stopped"] * 3
    failed = [line for line in lines if line["event"] == "alert_not_sent"]
    assert [line["alert"] for line in failed] == ["started:live", "stopped:0"]
    assert SECRET not in str(lines)


def test_the_dead_mans_switch_is_asked_after_each_good_cycle_only(listener: Listener) -> None:
    def wait() -> None:
        assert listener.wait_for(pings=1)

    run(
        Keeper(a_quiet_record(), a_failed_record(), a_failed_record(), before_end=wait),
        dead_man_url=SecretStr(listener.ping_url),
    )
    assert listener.pings == [f"/{SECRET}"]


def test_a_dead_mans_switch_that_is_gone_is_a_warning(lines: list[Any]) -> None:
    url = f"http://127.0.0.1:{free_port()}/{SECRET}"
    assert run(Keeper(a_quiet_record()), dead_man_url=SecretStr(url)) == 0
    assert "dead_man_ping_failed" in [line["event"] for line in lines]
    assert SECRET not in str(lines)


def test_page_metrics_and_health_are_served_while_the_daemon_runs(tmp_path: Path) -> None:
    port, seen, missing = free_port(), {}, f"sqlite:///{tmp_path}/keeper.db"

    def look() -> None:
        for path in ("/metrics", "/healthz", "/readyz", "/"):
            seen[path] = page(port, path)

    assert (
        run(
            Keeper(a_quiet_record(), a_quiet_record(), before_end=look),
            metrics_port=port,
            journal_url=missing,
        )
        == 0
    )
    assert 'keeper_cycles_total{outcome="HELD"} 1.0' in seen["/metrics"][1]
    assert [seen[path][0] for path in ("/metrics", "/healthz", "/readyz", "/")] == [200, 200, 200, 503]
    assert "JournalMissing" in seen["/"][1]
    with pytest.raises(urllib.error.URLError):
        page(port, "/metrics")


def test_a_client_that_hangs_delays_no_cycle_and_the_next_scrape_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("keeper.web.listener.CONNECTION_S", 0.2)
    port, answers = free_port(), []

    def hang_and_look() -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /metr")
            answers.append(page(port, "/healthz")[0])

    keeper = Keeper(*[a_quiet_record()] * 3, before_end=hang_and_look)
    assert run(keeper, metrics_port=port) == 0
    assert answers == [200]
    assert keeper.longest_s < 1.0


def test_a_reading_that_breaks_ends_nothing(lines: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(a_quiet_record(), stages=(None,))  # type: ignore[arg-type]
    port, answers = free_port(), []
    keeper = Keeper(broken, broken, before_end=lambda: answers.append(page(port, "/metrics")[0]))
    assert run(keeper, metrics_port=port) == 0
    assert answers == [500]
    assert len(keeper.began) == 2
    assert "metrics_failed" in [line["event"] for line in lines]


def test_a_port_that_is_taken_is_refused_before_the_first_cycle() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        keeper = Keeper(a_quiet_record())
        with pytest.raises(InvalidSetting, match="KEEPER_METRICS_PORT = "):
            run(keeper, metrics_port=taken.getsockname()[1])
        assert keeper.began == []


def test_a_channel_that_nobody_knows_is_refused_without_its_address() -> None:
    with pytest.raises(InvalidSetting, match="address 2 of 2") as caught:
        AppriseChannels(["json://127.0.0.1:9/", f"nonsense://{SECRET}"], vault="0x0")
    assert SECRET not in caught.value.message + caught.value.remedy


def test_an_observer_that_breaks_ends_nothing(lines: list[Any]) -> None:
    def broken(event: object) -> None:
        raise ZeroDivisionError

    keeper = Keeper(a_quiet_record(), a_quiet_record())
    keeper.daemon = Daemon(keeper, Mode.LIVE, trigger_from("1h"), observers=[broken])
    assert keeper.daemon.run() == 0
    assert len(keeper.began) == 2
    assert "observer_failed" in [line["event"] for line in lines]


def test_new_settings_change_channel_switch_and_hosts_and_keep_port_and_counts(listener: Listener) -> None:
    port = free_port()
    before = Settings(alert_urls=SecretStr(listener.alert_url), metrics_port=port)
    with monitors(before) as watchers, listening() as other:
        for observer in watchers.observers:
            observer(started())
        assert listener.wait_for(messages=1)
        watchers.prepare(
            Settings(
                alert_urls=SecretStr(other.alert_url),
                dead_man_url=SecretStr(other.ping_url),
                metrics_port=port,
                status_page="off",
            )
        )()
        for event in (ended(a_quiet_record()), stopped()):
            for observer in watchers.observers:
                observer(event)
        assert other.wait_for(messages=1, pings=1)
        assert (listener.kinds(), other.kinds()) == (["started"], ["stopped"])
        assert 'keeper_alerts_total{result="sent"} ' in page(port, "/metrics")[1]
        assert page(port, "/")[0] == 404
        watchers.prepare(Settings(metrics_port=port))()
        assert len(watchers.observers) == 1
        assert page(port, "/")[0] == 503, "the page is back, and there is no journal"


@pytest.mark.parametrize("emptied", [False, True])
def test_channels_that_new_settings_leave_hear_of_the_reload_and_of_nothing_after_it(
    listener: Listener, emptied: bool
) -> None:
    with listening() as other:
        both = SecretStr(f"{listener.alert_url} {other.alert_url}")
        after = Settings() if emptied else Settings(alert_urls=SecretStr(other.alert_url))
        with monitors(Settings(alert_urls=both)) as watchers:
            ending = watchers.prepare(after)()
            for observer in (*watchers.observers, *ending):
                observer(Reloaded(float(NOW), ("KEEPER_ALERT_URLS changed; its value is secret",)))
            for observer in watchers.observers:
                observer(stopped())
            assert listener.wait_for(messages=1)
            assert other.wait_for(messages=1 if emptied else 2)
        assert listener.kinds() == ["reloaded"]
        assert other.kinds() == (["reloaded"] if emptied else ["reloaded", "stopped"])


def test_a_thread_that_cannot_start_leaves_what_is_there_and_no_other_thread(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def exhausted(thread: threading.Thread) -> None:
        if thread.name == "dead man's switch":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monitors(Settings()) as watchers:
        before, threads = watchers.observers, set(threading.enumerate())
        monkeypatch.setattr(threading.Thread, "start", exhausted)
        url = SecretStr(listener.alert_url)
        with pytest.raises(RuntimeError):
            watchers.prepare(Settings(alert_urls=url, dead_man_url=SecretStr(listener.ping_url)))
        assert watchers.observers == before
        for thread in set(threading.enumerate()) - threads:
            if thread.name == "alerts":
                thread.join(5.0)
                assert not thread.is_alive()


def test_the_messages_of_the_chat_are_counted_at_each_scrape() -> None:
    port, chat = free_port(), Chat(ChatCounts(strangers=3, failures=2), heard_at=float(NOW))
    with monitors(Settings(metrics_port=port)) as watchers:
        watchers.follow_chat(lambda: chat)
        text = page(port, "/metrics")[1]
    assert 'keeper_chat_messages_total{result="stranger"} 3.0' in text
    assert "keeper_chat_failures_total 2.0" in text
    assert "keeper_chat_heard_timestamp_seconds 1" in text


def test_a_chat_that_is_lost_is_an_alert(listener: Listener) -> None:
    with monitors(Settings(alert_urls=SecretStr(listener.alert_url))) as watchers:
        watchers.follow_chat(lambda: Chat(heard_at=float(NOW), trouble="HTTP 401"))
        for observer in watchers.observers:
            observer(Waiting(NOW + 600.0))
        assert listener.wait_for(messages=1)
    assert listener.kinds() == ["chat_lost"]


def test_new_settings_with_an_unknown_channel_are_refused_and_change_nothing(listener: Listener) -> None:
    with monitors(Settings(alert_urls=SecretStr(listener.alert_url))) as watchers:
        before = watchers.observers
        with pytest.raises(InvalidSetting):
            watchers.prepare(Settings(alert_urls=SecretStr(f"nothing://{SECRET}")))
        assert watchers.observers == before

"""One daemon after the other in one process: what outlives a term, and what a hang-up does between two."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from keeper.app import terms
from keeper.app.composition import HeldKey, KnownTargets, Opened, _sender_of, alone, held_key
from keeper.app.daemon import Daemon, InForce
from keeper.app.monitors import monitors
from keeper.app.standby import SettingsAsked, Standby
from keeper.app.terms import Process, Turns
from keeper.domain.errors import BadInput, LeaseLost
from keeper.domain.leadership import Term
from keeper.domain.record import Mode
from keeper.monitoring.events import Event, LeadLost, Reloaded, Reloading, ReloadRefused
from keeper.settings.load import load
from keeper.settings.schema import Settings

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
POSTGRES = "postgresql://keeper@127.0.0.1:9/keeper"


class Service:
    """keeper.app.service.Service, without a journal and a chain."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.in_force: Any = InForce(None, ())  # type: ignore[arg-type]

    def begin_watch(self, wake: Callable[[], None]) -> None:
        del wake

    def reload(self, wake: Callable[[], None]) -> InForce:
        raise AssertionError(f"no cycle runs here: {wake}")


class Scene:
    """Turns whose terms are told by the test. ``standing_by`` and ``leading`` are what happens in each, in order; a term
    that the test does not tell ends by a signal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: list[Event] = []
        self.began_with: list[Settings] = []
        self.standing_by: list[Callable[[], None]] = []
        self.leading: list[Callable[[Daemon, Service], int]] = []
        self.standby = Standby(8.0, lambda _: None)
        self.service: Service | None = None
        self.environment()

    def environment(self, **changes: str) -> None:
        values = {
            "RPC_URL": "http://127.0.0.1:9",
            "CHAIN_ID": "31337",
            "VAULT": ADDRESS,
            "QUOTER": ADDRESS,
            "PRIVATE_KEY": "0x" + "5e" * 32,
            "JOURNAL_URL": POSTGRES,
            "LOCK_DIRECTORY": str(self.folder / "locks"),
        }
        lines = (f"KEEPER_{name}={value}\n" for name, value in (values | changes).items())
        (self.folder / ".env").write_text("".join(lines), encoding="utf-8")

    @contextmanager
    def serving(self, settings: Settings, *given: object, **named: object) -> Iterator[Service]:
        del given, named
        self.began_with.append(settings)
        lease = self.standby.next_lease(lambda: None)
        if self.standing_by:
            self.standing_by.pop(0)()
        lease.heard(lease.now())
        lease.begin(Term(len(self.began_with), "a process 1", began_at=0))
        self.service = Service(settings)
        yield self.service

    def lead(self, daemon: Daemon) -> int:
        assert self.service is not None
        return self.leading.pop(0)(daemon, self.service) if self.leading else 0

    def run(self) -> int:
        settings = load()
        with monitors(settings) as watchers, held_key(settings, Mode.LIVE, lambda: "") as held:
            process = Process(IntervalTrigger(hours=1), held, watchers=watchers, progress=lambda _: None)
            return Turns(process, settings, self.standby).run()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.chdir(tmp_path)
    made = Scene(tmp_path)
    monkeypatch.setattr(terms, "serving", made.serving)
    monkeypatch.setattr(Daemon, "run", lambda daemon: made.lead(daemon))
    monkeypatch.setattr(Process, "tell", lambda _, event, also=(): made.heard.append(event))
    return made


def loses_its_lead(daemon: Daemon, service: Service) -> int:
    del service
    daemon.leave()
    return 0


def hangs_up() -> None:
    """As an operator does while the keeper stands by, and the wait for the lead ends."""
    os.kill(os.getpid(), signal.SIGHUP)
    raise SettingsAsked


def told(scene: Scene, *kinds: type) -> list[Event]:
    return [event for event in scene.heard if isinstance(event, kinds)]


def test_a_lost_lead_is_told_and_the_process_stands_by_again(scene: Scene) -> None:
    scene.leading = [loses_its_lead]
    assert scene.run() == 0
    assert len(scene.began_with) == 2
    assert len(told(scene, LeadLost)) == 1


def test_a_lead_that_is_lost_before_the_daemon_begins_does_not_end_the_process(scene: Scene) -> None:
    def lost() -> None:
        raise LeaseLost("this keeper does not lead now: a test", remedy="It stands by.")

    scene.standing_by = [lost]
    assert scene.run() == 0
    assert len(scene.began_with) == 2
    assert len(told(scene, LeadLost)) == 1


def test_the_settings_in_force_outlive_a_term(scene: Scene) -> None:
    def reloads_and_loses(daemon: Daemon, service: Service) -> int:
        service.settings = service.settings.model_copy(update={"rpc_url": "http://127.0.0.1:10"})
        return loses_its_lead(daemon, service)

    scene.leading = [reloads_and_loses]
    scene.run()
    assert [settings.rpc_url for settings in scene.began_with][1] == "http://127.0.0.1:10"


def test_a_standby_reads_its_settings_again_after_a_hang_up(scene: Scene) -> None:
    def changed() -> None:
        scene.environment(RPC_URL="http://127.0.0.1:10")
        hangs_up()

    scene.standing_by = [changed]
    scene.run()
    assert [settings.rpc_url for settings in scene.began_with] == [
        "http://127.0.0.1:9",
        "http://127.0.0.1:10",
    ]
    _, reloaded = told(scene, Reloading, Reloaded)
    assert isinstance(reloaded, Reloaded)
    assert "KEEPER_RPC_URL" in reloaded.changes[0]


def test_a_standby_refuses_what_needs_a_restart_and_stands_by_with_its_old_settings(scene: Scene) -> None:
    def changed() -> None:
        scene.environment(LEASE_S="4", JOURNAL_URL="postgresql://keeper@127.0.0.1:9/other")
        hangs_up()

    scene.standing_by = [changed]
    scene.run()
    assert scene.began_with[0] == scene.began_with[1]
    (refused,) = told(scene, ReloadRefused)
    assert isinstance(refused, ReloadRefused)
    for name in ("KEEPER_LEASE_S", "KEEPER_JOURNAL_URL"):
        assert name in refused.failure.message


def test_a_hang_up_that_a_leader_did_not_read_is_read_by_the_standby(scene: Scene) -> None:
    def hung_up(daemon: Daemon, service: Service) -> int:
        daemon.hang_up()
        return loses_its_lead(daemon, service)

    scene.leading = [hung_up]
    scene.standing_by = [lambda: None, lambda: scene.standby.wait()]
    scene.run()
    assert len(told(scene, Reloaded)) == 1
    assert len(scene.began_with) == 3


def test_a_first_cycle_that_fails_by_its_settings_does_not_end_a_process_that_can_stand_by(
    scene: Scene,
) -> None:
    ended: list[tuple[bool, int]] = []

    def fails(daemon: Daemon, service: Service) -> int:
        del service
        daemon._failed(BadInput("a setting is wrong", remedy="Correct it."))
        ended.append((daemon._stopping, daemon._exit_code))
        return 0

    scene.leading = [fails]
    scene.run()
    assert ended == [(False, 0)]


@pytest.mark.parametrize("leads", [True, False])
def test_what_requires_the_lead_reaches_the_sender(leads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From what is opened to the sender's configuration."""
    given: list[Any] = []

    @contextmanager
    def transaction_sender(settings: object, reads: object, work: Any) -> Iterator[None]:
        del settings, reads
        given.append(work)
        yield None

    monkeypatch.setattr("keeper.app.composition.transaction_sender", transaction_sender)
    standby, key, outside = Standby(8.0, lambda _: None), Any, _Outside()
    held = HeldKey(Mode.LIVE, ADDRESS, key=key, known=KnownTargets())  # type: ignore[arg-type]
    require = standby.require_lead if leads else alone
    opened = Opened(held, Any, timer=None, fallback=None, require_lead=require)  # type: ignore[arg-type]
    sender_of = _sender_of(opened, outside)  # type: ignore[arg-type]
    assert sender_of is not None
    with sender_of(Any, Any):  # type: ignore[arg-type]
        assert given[0].require_lead is require or given[0].require_lead == require
    if leads:
        with pytest.raises(LeaseLost):
            given[0].require_lead()


class _Outside:
    settings = reads = chain = None

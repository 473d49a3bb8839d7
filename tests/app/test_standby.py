"""What a daemon with --standby does before it leads, and what it tells."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event as Signal
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from keeper.app.standby import LOOK_EVERY_S, SettingsAsked, Standby, require_shared_journal
from keeper.cli.main import main
from keeper.domain.errors import InvalidSetting, LeaseLost, NodeUnavailable, SignerUnavailable, Tampered
from keeper.domain.leadership import WITHOUT_LEASE, Leadership, Term
from keeper.journal.files import locked_key
from keeper.journal.leadership import this_keeper
from keeper.monitoring.events import Event, LeadLost, Leads, StandsBy
from keeper.settings.schema import Settings

TERM = Term(4, "b process 2", began_at=1_686_830_000)
OTHER_LEADS = Leadership("b process 2", 0.5, (), TERM)
NOBODY_LEADS = Leadership("", 0.0, (), TERM)
ACCOUNT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
POSTGRES = "postgresql://keeper@db/keeper"


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as captured:
        yield captured
    structlog.reset_defaults()


class Scene:
    """A standby whose node answers or not, and what its observers hear. Each wait gives ``waiting`` a turn."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.looks = 0
        self.answers = True
        self.failure: Exception = NodeUnavailable("no answer", remedy="Start the node.")
        self.waiting: list[Any] = []
        self.standby = Standby(8.0, self._wait)
        self.standby.tell(self.heard.append)
        self.standby.next_lease(self._look)

    def _wait(self, seconds: float) -> None:
        self.waiting.pop(0)()

    def _look(self) -> None:
        self.looks += 1
        if not self.answers:
            raise self.failure

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(event.leader, event.trouble) for event in self.heard if isinstance(event, StandsBy)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_standby_tells_who_leads_once_and_when_that_changes(scene: Scene) -> None:
    for now in (OTHER_LEADS, OTHER_LEADS, NOBODY_LEADS):
        assert scene.standby.may_lead(now)
    assert scene.said == [("b process 2", ""), ("", "")]


def test_row_44_a_standby_without_a_node_may_not_lead_and_looks_again_each_time(scene: Scene) -> None:
    scene.answers = False
    assert not scene.standby.may_lead(NOBODY_LEADS)
    assert scene.said == [("", "NodeUnavailable: no answer")]
    scene.answers = True
    assert scene.standby.may_lead(NOBODY_LEADS)
    assert scene.said[-1] == ("", "")
    assert scene.looks == 2


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Tampered("changed since `keeper seal`: code", remedy="Seal."), "Tampered: changed since"),
        (SignerUnavailable("no answer", remedy="Start it."), "SignerUnavailable: no answer"),
        (FileNotFoundError(2, "No such file or directory", "abi.json"), "abi.json"),
    ],
    ids=["seal", "signer", "file"],
)
def test_what_would_end_a_leader_is_trouble_of_the_standby(
    scene: Scene, failure: Exception, said: str
) -> None:
    scene.answers, scene.failure = False, failure
    assert not scene.standby.may_lead(NOBODY_LEADS)
    assert said in scene.said[-1][1]


def test_a_look_that_hangs_is_trouble_and_is_not_begun_again(scene: Scene) -> None:
    released = Signal()
    standby = Standby(0.02, scene._wait)
    standby.tell(scene.heard.append)
    looks: list[None] = []

    def look() -> None:
        looks.append(None)
        released.wait(20.0)

    standby.next_lease(look)
    assert not standby.may_lead(NOBODY_LEADS)
    assert not standby.may_lead(NOBODY_LEADS)
    assert len(looks) == 1
    assert "have not answered within 0.01 s" in scene.said[-1][1]
    released.set()


def test_a_leader_whose_session_is_never_ended_is_trouble_and_is_followed_all_the_same(scene: Scene) -> None:
    assert scene.standby.may_lead(Leadership(WITHOUT_LEASE, 0.0, (), TERM))
    assert "does not end its session when it hangs" in scene.said[-1][1]


def test_a_hang_up_ends_the_wait_for_the_lead_once(scene: Scene) -> None:
    scene.waiting = [scene.standby.hang_up, lambda: None]
    with pytest.raises(SettingsAsked):
        scene.standby.wait()
    scene.standby.wait()


def test_a_ready_standby_looks_at_its_node_every_few_seconds_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 0.0, 0.1, LOOK_EVERY_S, LOOK_EVERY_S])
    monkeypatch.setattr(scene.standby.lease, "now", lambda: next(times))
    for _ in range(3):
        assert scene.standby.may_lead(OTHER_LEADS)
    assert scene.looks == 2


def test_who_led_before_is_told_with_the_term(scene: Scene) -> None:
    scene.standby.may_lead(NOBODY_LEADS)
    with pytest.raises(LeaseLost):
        scene.standby.began()
    lease = scene.standby.lease
    lease.heard(lease.now())
    lease.begin(Term(5, "a process 1", began_at=1_686_830_100))
    scene.standby.began()
    lead = scene.heard[-1]
    assert isinstance(lead, Leads)
    assert (lead.term, lead.before) == (5, "b process 2")
    assert scene.standby.reading.held


def test_a_restart_on_the_same_machine_is_told_as_no_change(scene: Scene) -> None:
    scene.standby.may_lead(Leadership("", 0.0, (), Term(4, this_keeper(), began_at=1_686_830_000)))
    lease = scene.standby.lease
    lease.heard(lease.now())
    lease.begin(Term(5, this_keeper(), began_at=1_686_830_100))
    scene.standby.began()
    lead = scene.heard[-1]
    assert isinstance(lead, Leads)
    assert lead.before == ""


def test_the_end_of_a_term_is_told_and_the_next_one_has_a_lease_of_its_own(scene: Scene) -> None:
    before = scene.standby.lease
    before.lose("the session ended")
    scene.standby.ended()
    lost = scene.heard[-1]
    assert isinstance(lost, LeadLost)
    assert lost.reason == "the session ended"
    assert not scene.standby.next_lease(lambda: None).lost


def test_two_daemons_on_one_machine_wait_for_the_key(scene: Scene, tmp_path: Path) -> None:
    where: Any = SimpleNamespace(lock_directory=tmp_path, chain_id=31_337)
    with ExitStack() as other:
        other.enter_context(locked_key(tmp_path, 31_337, ACCOUNT))
        scene.waiting = [other.close]
        with scene.standby.locked_key(where, ACCOUNT):
            assert scene.waiting == []
    assert len(scene.said) == 1
    assert "is in use by process" in scene.said[0][1]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"journal_url": "sqlite:///keeper.db"}, "is a file on this machine"),
        (
            {"journal_url": POSTGRES, "fallback_journal": Path("/mnt")},
            "KEEPER_FALLBACK_JOURNAL = /mnt is set",
        ),
    ],
)
def test_what_two_machines_cannot_share_is_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidSetting, match="--standby") as refused:
        require_shared_journal(Settings(**given))
    assert named in refused.value.message
    assert refused.value.exit_code == 2


def test_a_journal_in_postgresql_can_be_shared() -> None:
    require_shared_journal(Settings(journal_url=POSTGRES))


def test_a_system_without_a_clock_that_goes_on_in_sleep_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    with pytest.raises(InvalidSetting, match="CLOCK_BOOTTIME"):
        require_shared_journal(Settings(journal_url=POSTGRES))


def test_a_dry_run_may_not_take_the_lead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPER_JOURNAL_URL", POSTGRES)
    with pytest.raises(SystemExit) as ended:
        main(["run", "--standby"])
    assert ended.value.code == 2
    assert "--standby without --live" in capsys.readouterr().err


def test_the_command_refuses_a_file_before_it_starts_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPER_JOURNAL_URL", f"sqlite:///{tmp_path / 'keeper.db'}")
    with pytest.raises(SystemExit) as ended:
        main(["run", "--live", "--standby"])
    assert ended.value.code == 2
    assert "KEEPER_JOURNAL_URL=postgresql://" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

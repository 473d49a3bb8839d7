"""``keeper status --watch`` without a chain: what it shows of one look after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.cli.main import main
from keeper.domain.errors import NodeUnavailable
from keeper.domain.leadership import Leadership, Term
from keeper.domain.pause_state import DailyUsage, PauseState
from keeper.views.status import VaultStatus
from tests.factories import a_policy, a_snapshot

Look = Callable[[], VaultStatus]


def a_status() -> VaultStatus:
    return VaultStatus(
        snapshot=a_snapshot(weights=(0.3, 0.3, 0.3, 0.3)),
        last=None,
        pause_state=PauseState((), DailyUsage(0.0, 0.0, 0, 0)),
        daily=a_policy().daily,
        in_flight=(),
        nodes=(),
        quorum=1,
        journal="/var/lib/keeper/keeper.db",
        journal_exists=True,
        running="none runs on this machine",
        leadership=None,
    )


def no_answer() -> VaultStatus:
    raise NodeUnavailable("no answer from the node", remedy="Start the node.")


def ctrl_c() -> VaultStatus:
    raise KeyboardInterrupt


@pytest.fixture
def watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, list[float]]]:
    """Watches the looks given and returns exit code, screen and waits."""

    def watch(*looks: Look) -> tuple[int, str, list[float]]:
        waits: list[float] = []
        remaining = list(looks)

        class Interval:
            def wait(self, seconds: float) -> None:
                waits.append(seconds)

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("keeper.cli.status.vault_status", lambda *_: remaining.pop(0)())
        monkeypatch.setattr("keeper.cli.status.Event", Interval)
        with pytest.raises(SystemExit) as caught:
            main(("status", "--watch", "--every", "2"))
        return int(caught.value.code or 0), capsys.readouterr().out, waits

    return watch


def test_it_looks_until_ctrl_c_and_ends_well(
    watched: Callable[..., tuple[int, str, list[float]]],
) -> None:
    code, shown, waits = watched(a_status, a_status, ctrl_c)
    assert code == 0
    assert waits == [2.0, 2.0]
    assert shown.count("health factor") == 2
    assert "again every 2 s" in shown


def test_the_screen_says_who_leads_where_machines_take_turns(
    watched: Callable[..., tuple[int, str, list[float]]],
) -> None:
    led = Leadership("a process 1", 0.4, ("b process 2",), Term(7, "a process 1", began_at=1_686_830_000))
    _, shown, _ = watched(a_status, lambda: replace(a_status(), leadership=led), ctrl_c)
    assert shown.count("leads") == 1
    assert "a process 1, term 7, heard 0 s ago; stands by: b process 2" in " ".join(shown.split())


def test_a_look_that_fails_shows_its_remedy_above_the_last_good_one(
    watched: Callable[..., tuple[int, str, list[float]]],
) -> None:
    _, shown, _ = watched(a_status, no_answer, a_status, ctrl_c)
    failed = shown.split("again every")[2]
    assert "NodeUnavailable: no answer from the node" in failed
    assert "Start the node." in failed
    assert "health factor" in failed
    assert "NodeUnavailable" not in shown.split("again every")[3]


def test_a_watch_has_no_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(("status", "--watch", "--json"))
    assert caught.value.code == 2
    assert "exclude each other" in capsys.readouterr().out

"""Pause and resume act on the running keeper's journal, or refuse."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from keeper.app import operator, pausing
from keeper.app.desk import OrderDesk
from keeper.app.running import running_keeper, who_runs
from keeper.cli.main import main
from keeper.domain.errors import AnotherJournal, InvalidSetting, JournalMissing, JournalUnwritable
from keeper.domain.orders import RunningKeeper
from keeper.journal.databases import shown
from keeper.journal.files import announced
from keeper.journal.store import Journal
from keeper.settings.schema import Settings

VAULT = "0x66F625B8c4c635af8b74ECe2d7eD0D58b4af3C3d"
OTHER_VAULT = "0x5FC8d32690cc91D4c39d9d3abcBD16989F875707"


def settings(folder: Path, **changes: Any) -> Settings:
    """Of a shell in that directory."""
    folder.mkdir(exist_ok=True)
    values: dict[str, Any] = {
        "journal_url": f"sqlite:///{folder / 'keeper.db'}",
        "pause_file": folder / "keeper.pause",
        "lock_directory": folder.parent / "locks",
        "chain_id": 31_337,
        "vault": VAULT,
    }
    return Settings(**(values | changes))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """Starts what a daemon is for commands: its journal, its announcement and, unless it hangs, its desk."""
    with ExitStack() as stack:

        def start(*, hangs: bool = False) -> Settings:
            mine = settings(tmp_path / "service")
            stack.enter_context(Journal.open(mine.journal_url))
            if not hangs:
                desk = OrderDesk(mine.journal_url, lambda: 1_000.0)
                stack.callback(desk.listen(lambda: None))
                pause = threading.Event()
                while not desk.hears:
                    pause.wait(0.02)
            keeper = RunningKeeper(
                process=os.getpid(),
                chain_id=31_337,
                vault=VAULT,
                journal=str(tmp_path / "service" / "keeper.db"),
                pause_file=str(mine.pause_file),
                sends=True,
            )
            stack.enter_context(announced(mine.lock_directory, keeper))
            return mine

        yield start


def test_a_pause_is_acknowledged_by_the_running_keeper(daemon: Callable[..., Settings]) -> None:
    mine = daemon()
    (pause,), heard = pausing.pause(mine, "3am")
    assert pause.reason == "3am"
    assert heard.journal.endswith("service/keeper.db")
    assert heard.vault == VAULT
    assert f"process {os.getpid()}" in heard.answer
    lifted, heard = operator.resume(mine, "over")
    assert len(lifted) == 1
    assert heard.answer


def test_a_keeper_that_hangs_is_told_from_one_that_answers(
    daemon: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pausing, "ACKNOWLEDGED_S", 0.05)
    mine = daemon(hangs=True)
    (_, heard) = pausing.pause(mine, "3am")
    assert heard.unanswered


@pytest.mark.parametrize("command", [pausing.pause, operator.resume])
def test_a_command_from_another_directory_is_refused(
    command: Callable[[Settings, str], object], daemon: Callable[..., Settings], tmp_path: Path
) -> None:
    daemon()
    elsewhere = settings(tmp_path / "elsewhere")
    Journal.open(elsewhere.journal_url).close()
    for asked in (elsewhere, settings(tmp_path / "elsewhere", vault=None)):
        with pytest.raises(AnotherJournal, match=r"service/keeper\.db"):
            command(asked, "3am")
    assert not elsewhere.pause_file.exists()
    assert who_runs(elsewhere).startswith("ANOTHER JOURNAL")
    assert running_keeper(settings(tmp_path / "elsewhere", vault=OTHER_VAULT)) is None


def test_without_a_journal_nothing_is_paused_and_the_pause_file_is_named(tmp_path: Path) -> None:
    alone = settings(tmp_path / "alone")
    with pytest.raises(JournalMissing) as refused:
        pausing.pause(alone, "3am")
    assert "alone/keeper.db" in refused.value.message
    assert str(alone.pause_file) in refused.value.remedy
    assert not alone.pause_file.exists()


def test_a_directory_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'nope' / 'keeper.db'}"
    with pytest.raises(InvalidSetting, match="there is no directory"):
        pausing.pause(settings(tmp_path / "alone", journal_url=url), "3am")


@pytest.mark.parametrize("pause_file", ["nope/keeper.pause", "folder"])
def test_a_pause_that_can_be_written_nowhere_is_an_error_or_in_force(tmp_path: Path, pause_file: str) -> None:
    (tmp_path / "folder").mkdir()
    alone = settings(tmp_path / "alone", pause_file=tmp_path / pause_file)
    (tmp_path / "alone" / "keeper.db").write_bytes(b"no database")
    if pause_file == "folder":  # whatever is there pauses the keeper
        (pause,), _ = pausing.pause(alone, "3am")
        assert "cannot be read" in pause.reason
        return
    with pytest.raises(JournalUnwritable, match="NOT PAUSED.*keeper.pause: No such file") as refused:
        pausing.pause(alone, "3am")
    assert "Stop the keeper instead" in refused.value.remedy


def test_the_running_keepers_pause_file_is_used_when_its_journal_is_gone(
    daemon: Callable[..., Settings], tmp_path: Path
) -> None:
    mine = daemon(hangs=True)
    (tmp_path / "service" / "keeper.db").unlink()
    (pause,), heard = pausing.pause(
        settings(tmp_path / "service", pause_file=tmp_path / "wrong.pause"), "3am"
    )
    assert pause.reason == "3am"
    assert mine.pause_file.read_text() == "3am\n"
    assert str(mine.pause_file) in heard.answer


GONE = "postgresql://keeper@127.0.0.1:9/keeper"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("runs", "here_only"), [(None, True), ("turns", True), ("alone", False)], ids=["none", "turns", "alone"]
)
def test_a_pause_without_the_shared_journal_says_that_it_holds_here_only(
    tmp_path: Path, runs: str | None, here_only: bool
) -> None:
    mine = settings(tmp_path / "service", journal_url=GONE)
    keeper = RunningKeeper(
        process=os.getpid(),
        chain_id=31_337,
        vault=VAULT,
        journal=shown(GONE),
        pause_file=str(mine.pause_file),
        sends=True,
        takes_turns=runs == "turns",
    )
    with ExitStack() as stack:
        if runs is not None:
            stack.enter_context(announced(mine.lock_directory, keeper))
        (pause,), heard = pausing.pause(mine, "3am")
    assert (pause.reason, heard.here_only) == ("3am", here_only)
    assert mine.pause_file.read_text() == "3am\n"
    assert ("ON THIS MACHINE ONLY" in heard.answer) is here_only


@pytest.mark.faults
def test_a_pause_on_this_machine_only_is_no_success_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPER_JOURNAL_URL", GONE)
    monkeypatch.setenv("KEEPER_LOCK_DIRECTORY", str(tmp_path / "locks"))
    with pytest.raises(SystemExit) as ended:
        main(["pause", "--reason", "3am"])
    assert ended.value.code == 3
    assert "on each machine" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "keeper.pause").exists()

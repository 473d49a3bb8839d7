"""What the chat answers: from the journal alone, and with the pause that everybody knows."""

from __future__ import annotations

import ast
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.chat import answers
from keeper.chat.answers import HELP, ChatAnswers
from keeper.chat.messages import Command
from keeper.domain.errors import BadInput, JournalMissing
from keeper.domain.orders import RunningKeeper
from keeper.domain.pause_causes import OPERATOR
from keeper.journal.databases import shown
from keeper.journal.files import announced
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.settings.schema import Settings
from tests.factories import NOW
from tests.monitoring.reported import a_quiet_record

WHO = 4_711
PACKAGE = Path(answers.__file__).parent


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    values: dict[str, Any] = {
        "journal_url": f"sqlite:///{tmp_path / 'keeper.db'}",
        "pause_file": tmp_path / "keeper.pause",
        "lock_directory": tmp_path / "locks",
    }
    with Journal.open(values["journal_url"]) as journal:
        StoredRecords(journal).append(replace(a_quiet_record(), started_at=float(NOW)))
    return Settings(**values)


def ask(settings: Settings, name: str, argument: str = "") -> str:
    return ChatAnswers(settings, lambda: NOW + 720.0)(Command(WHO, name, argument))


def test_status_has_pauses_and_the_vault_as_the_newest_cycle_read_it(settings: Settings) -> None:
    text = ask(settings, "status")
    assert text.startswith(f"{platform.node()}: none runs on this machine")
    for word in ("Not paused.", "12 min ago", "HELD", "NAV", "leverage", "health factor", "Fire drill"):
        assert word in text
    settings.pause_file.write_text("by file", encoding="utf-8")
    assert "by file" in ask(settings, "status")


def test_a_journal_without_a_record_says_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    with Journal.open(url):
        pass
    assert "No cycle has ended yet." in ask(Settings(journal_url=url, pause_file=tmp_path / "p"), "status")


def test_explain_is_of_the_newest_cycle_of_a_record_or_of_a_name(settings: Settings) -> None:
    newest = ask(settings, "explain")
    assert "The keeper held." in newest
    assert ask(settings, "explain", a_quiet_record().record_id[:6]) == newest
    assert "KEEPER" not in ask(settings, "explain", "health_factor_act")
    with pytest.raises(BadInput):
        ask(settings, "explain", "nothing-of-that-name")


def test_a_pause_is_the_journals_own_and_says_who_asked(settings: Settings) -> None:
    text = ask(settings, "pause", "LINK looks wrong")
    with Journal.open_for_reading(settings.journal_url) as journal:
        (pause,) = Switches(journal, lambda: 0.0).pauses()
    assert (pause.cause, pause.reason) == (
        OPERATOR,
        f"Telegram user {WHO} asked in the chat: LINK looks wrong",
    )
    assert "PAUSED since" in text
    assert "your reason was not added" not in text
    again = ask(settings, "pause", "again")
    assert "LINK looks wrong" in again
    assert "It was paused already; your reason was not added." in again


@pytest.mark.parametrize("sends", [True, False])
def test_status_and_pause_begin_with_which_keeper_it_is(
    settings: Settings, sends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ask(settings, "pause").splitlines()[0]
    journal = settings.journal_url.removeprefix("sqlite:///")
    assert before.startswith(f"{platform.node()}: no keeper runs here yet; it holds from the next start on")
    assert journal in before
    keeper = RunningKeeper(
        4_321, 1, "0xVault", journal=shown(settings.journal_url), pause_file="p", sends=sends
    )
    monkeypatch.setattr("keeper.app.pausing.ACKNOWLEDGED_S", 0.0)
    with announced(settings.lock_directory, keeper):
        texts = [ask(settings, "status"), ask(settings, "pause")]
    kind = "live" if sends else "a dry run"
    for text in texts:
        assert text.splitlines()[0] == f"{platform.node()}: {keeper}"
        assert kind in text.splitlines()[0]


@pytest.mark.parametrize("name", ["resume", "unpause", "deleverage", "unblock", "seal", "start", "help", ""])
def test_everything_else_is_answered_with_what_there_is_and_does_nothing(
    settings: Settings, name: str
) -> None:
    ask(settings, "pause")
    before = Path(settings.journal_url.removeprefix("sqlite:///")).read_bytes()
    assert ask(settings, name, "now") == HELP
    assert Path(settings.journal_url.removeprefix("sqlite:///")).read_bytes() == before


def test_without_a_journal_the_error_names_it(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing):
        ask(Settings(journal_url=f"sqlite:///{tmp_path / 'none.db'}"), "status")


def test_nothing_of_the_chat_names_what_resumes() -> None:
    """The import contract knows modules only. This knows names."""
    files = [*PACKAGE.glob("*.py"), PACKAGE.parent / "app" / "pausing.py"]
    for file in files:
        used = {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute | ast.Name)
        }
        assert not used & {"resume", "place", "ordered", "unlink"}, file

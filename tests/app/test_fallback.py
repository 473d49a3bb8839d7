"""A keeper with a second journal: whichever of the two fails, it goes on, and sends only emergencies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keeper.app.fallback import FallbackKeeper
from keeper.domain.errors import JournalUnwritable
from keeper.domain.pause_state import Pause
from keeper.domain.record import DecisionRecord, Mode
from keeper.journal.fallback import FallbackJournal
from keeper.journal.store import Journal
from tests.views.records import a_record

FULL = JournalUnwritable("the disk is full", remedy="Free disk space.")


class Cycles:
    """A keeper that returns a record, or raises."""

    def __init__(self, outcome: DecisionRecord | JournalUnwritable) -> None:
        self.outcome = outcome
        self.count = 0

    def cycle(self, *_: object, next_look_at: float | None) -> DecisionRecord:
        del next_look_at
        self.count += 1
        if isinstance(self.outcome, JournalUnwritable):
            raise self.outcome
        return self.outcome


class Scene:
    """``ordinary`` is the keeper on the journal. ``used`` has the journal and the pause of every other keeper that was
    asked for."""

    def __init__(self, url: str, directory: Path, outcome: DecisionRecord | JournalUnwritable) -> None:
        self.ordinary = Cycles(outcome)
        self.used: list[tuple[str, Pause]] = []
        self.journal = Journal.open(url)
        self.fallback = FallbackJournal(directory)
        keeper: Any = self.ordinary
        self.keeper = FallbackKeeper(keeper, self.journal, self.fallback, keeper_on=self._keeper_on)

    @contextmanager
    def _keeper_on(self, journal: Journal, pause: Pause) -> Iterator[Any]:
        self.used.append((journal.name, pause))
        yield Cycles(a_record())

    def cycle(self) -> DecisionRecord:
        return self.keeper.cycle(Mode.LIVE, next_look_at=None)

    def trouble(self) -> str:
        """What it says is wrong after the last cycle; empty where both journals work."""
        return self.keeper.trouble.message if self.keeper.trouble is not None else ""


@pytest.fixture
def no_disk(tmp_path: Path) -> Path:
    """A directory whose every use fails, and not because it is not there."""
    return tmp_path / ("x" * 300)


def test_a_second_disk_that_fails_leaves_the_journal_with_emergencies_only(
    sqlite_url: str, no_disk: Path
) -> None:
    scene = Scene(sqlite_url, no_disk, a_record())
    with scene.journal:
        scene.cycle()
        ((name, pause),) = scene.used
        assert (name, pause.cause) == (scene.journal.name, "journal_unwritable")
        assert str(no_disk) in pause.reason
        assert scene.ordinary.count == 0
        assert str(no_disk) in scene.trouble()


def test_a_journal_that_fails_is_replaced_by_the_second_one(sqlite_url: str, tmp_path: Path) -> None:
    scene = Scene(sqlite_url, tmp_path, FULL)
    with scene.journal:
        scene.cycle()
        ((name, pause),) = scene.used
        assert (name, pause.reason) == (str(tmp_path / "fallback.db"), "the disk is full")


def test_a_second_journal_that_cannot_be_put_aside_is_merged_when_it_can(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.journal.fallback.time.time", lambda: 5.0)
    scene = Scene(sqlite_url, tmp_path, a_record())
    in_the_way = tmp_path / "fallback-merged-5.db"
    in_the_way.mkdir()
    with scene.journal:
        scene.fallback.open(scene.journal).close()
        scene.cycle()
        assert scene.ordinary.count == 0
        assert "cannot be used: Is a directory" in scene.trouble()

        in_the_way.rmdir()
        scene.cycle()
        assert scene.ordinary.count == 1
        assert scene.trouble() == ""
        assert not scene.fallback.exists

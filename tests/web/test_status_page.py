"""A journal that is missing, broken or slow is a page that says so, and costs the daemon nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import cache

import pytest
import structlog

from keeper.domain.errors import JournalCorrupt, KeeperError
from keeper.domain.record import DecisionRecord
from keeper.monitoring.daemon_state import DaemonState
from keeper.web import content
from keeper.web.reading import JournalReading
from keeper.web.status_page import FRESH_S, StatusPage
from tests.web.answers import LATER, answer, site
from tests.web.readings import a_reading
from tests.web.scene import a_look, daemon_after


@cache
def a_calm_look() -> DecisionRecord:
    return a_look()


class Journal:
    """Counts its reads, and keeps each waiting while ``open`` is not set."""

    def __init__(self) -> None:
        self.reads = 0
        self.open = threading.Event()
        self.threads: set[int] = set()

    def __call__(self) -> JournalReading:
        self.reads += 1
        self.threads.add(threading.get_ident())
        self.open.wait(10.0)
        return a_reading(a_calm_look())


@pytest.fixture
def journal() -> Iterator[Journal]:
    made = Journal()
    yield made
    made.open.set()


def failing(error: Exception) -> JournalReading:
    raise error


def test_a_journal_that_cannot_be_read_is_named_with_its_remedy() -> None:
    error = JournalCorrupt("row 7 was changed", remedy="Restore a backup.")
    page = answer(site(lambda: failing(error), daemon_after([a_calm_look()])))
    assert page.status_code == 503
    for expected in ("JournalCorrupt", "row 7 was changed", "Restore a backup.", "next run"):
        assert expected in page.text
    assert "Traceback" not in page.text


def test_a_bug_is_a_page_too_and_its_text_stays_in_the_log() -> None:
    with structlog.testing.capture_logs() as lines:
        page = answer(site(lambda: failing(ZeroDivisionError("a secret"))))
    assert page.status_code == 500
    assert "a secret" not in page.text
    assert [line["event"] for line in lines] == ["status_page_failed"]


def test_a_view_that_fails_leaves_the_reason_and_when_the_daemon_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(record: DecisionRecord) -> tuple[str, ...]:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(content, "why", broken)
    error = JournalCorrupt("row 7 was changed", remedy="Restore a backup.")
    with structlog.testing.capture_logs() as lines:
        page = answer(site(lambda: failing(error), daemon_after([a_calm_look()])))
    assert page.status_code == 503
    assert "row 7 was changed" in page.text
    assert "next run" in page.text
    assert "a secret" not in page.text
    assert [line["event"] for line in lines] == ["status_page_failed"]


def test_a_slow_journal_is_a_page_that_says_so_and_is_not_asked_twice(journal: Journal) -> None:
    slow = site(journal, longest_read_s=0.01)
    pages = [answer(slow) for _ in range(3)]
    assert [page.status_code for page in pages] == [503] * 3
    assert "The journal does not answer" in pages[0].text
    assert journal.reads == 1


def test_health_is_answered_while_the_journal_is_slow(journal: Journal) -> None:
    slow = site(journal, longest_read_s=0.01)
    assert answer(slow).status_code == 503
    assert answer(slow, "/healthz").status_code == 200


def test_many_readers_cost_one_read_in_another_thread(journal: Journal) -> None:
    journal.open.set()
    now = [0.0]
    page = StatusPage(journal, DaemonState, lambda: LATER, monotonic=lambda: now[0])

    async def many() -> set[int]:
        return {document.status for document in await asyncio.gather(*(page.document() for _ in range(9)))}

    assert asyncio.run(many()) == {200}
    assert journal.reads == 1
    assert threading.get_ident() not in journal.threads
    now[0] = FRESH_S + 1
    asyncio.run(many())
    assert journal.reads == 2


def test_every_error_of_the_keeper_is_a_page() -> None:
    for kind in KeeperError.__subclasses__():
        error = kind("what happened", remedy="What to do.")
        assert answer(site(lambda error=error: failing(error))).status_code == 503  # type: ignore[misc]

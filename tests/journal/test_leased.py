"""One session of a real PostgreSQL is the lease: who has it leads, and what the server ends writes nothing more."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy.engine import make_url

from keeper.domain.errors import (
    AlreadyRunning,
    InvalidSetting,
    JournalTooNew,
    JournalUnwritable,
    LeaseLost,
)
from keeper.domain.tx import Intent, IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.leadership import begin_term, stored_leadership
from keeper.journal.lease import Lease
from keeper.journal.store import Journal
from tests.databases import fresh_database
from tests.journal.candidates import Standing
from tests.journal.rows import PAYLOAD
from tests.servers.tcp_proxy import tcp_proxy

LEASE_S = 2.0
"""The shortest that the settings allow."""
LONG_S = 60.0
WITHIN_S = 20.0
CHANGES = "(random() * 1e6)::int"
"""What the server answers to each question for its process, behind a pooler in transaction mode."""
SESSION_SETTINGS = ("search_path", "synchronous_commit")


@pytest.fixture
def url(postgres_server: str) -> str:
    return fresh_database(postgres_server)


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def leading(url: str, *, lease_s: float = LONG_S) -> tuple[Journal, Lease]:
    lease = Lease(lease_s)
    return Journal.open_to_lead(url, lease, Standing()), lease


def intents_of(journal: Journal) -> StoredAttempts:
    return StoredAttempts(journal, lambda: 0.0)


@contextmanager
def standing_by(
    url: str, elsewhere: ThreadPoolExecutor, *, ready: bool = True
) -> Iterator[tuple[Standing, Callable[[], Journal]]]:
    """A second keeper that has asked in vain, and what waits until it leads."""
    standing = Standing(ready=ready)
    coming = elsewhere.submit(Journal.open_to_lead, url, Lease(LONG_S), standing)
    assert standing.asked.wait(WITHIN_S)
    yield standing, lambda: coming.result(WITHIN_S)


def _silent(leader: object, session: object, descriptor: int) -> None:
    """As of a leader that is frozen."""
    os.close(descriptor)


def test_of_two_one_leads_and_hands_over_at_once_when_it_closes(
    url: str, elsewhere: ThreadPoolExecutor
) -> None:
    first, _ = leading(url)
    with standing_by(url, elsewhere) as (standing, successor):
        assert standing.seen[0].leader == standing.seen[0].term.holder  # type: ignore[union-attr]
        first.close()
        with successor() as second:
            now = stored_leadership(second)
            assert now is not None
            assert now.term is not None
            assert (now.term.number, now.leader, now.standbys) == (2, now.term.holder, ())
            assert second.verify() == 2


def test_a_leader_keeps_others_from_writing(url: str) -> None:
    first, _ = leading(url)
    with first, pytest.raises(AlreadyRunning):
        Journal.open(url)


def test_row_88_a_silent_leader_is_ended_by_the_database_and_writes_nothing_more(
    url: str, elsewhere: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.journal.leased.LeasedPostgres._beats", _silent)
    first, lease = leading(url, lease_s=LEASE_S)
    intents_of(first).create(Intent("one", 0, PAYLOAD))
    with standing_by(url, elsewhere) as (_, successor), successor() as second:
        with pytest.raises(LeaseLost):
            intents_of(first).move("one", IntentStatus.SIGNING)
        assert lease.lost
        assert intents_of(second).status("one") is IntentStatus.OPEN
        intents_of(second).move("one", IntentStatus.SIGNING)
        with pytest.raises(LeaseLost):  # it does not come back by itself
            intents_of(first).move("one", IntentStatus.SIGNED)
    first.close()


def test_row_88_a_leader_that_freezes_inside_a_transaction_leaves_no_row(
    url: str, elsewhere: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.journal.leased.LeasedPostgres._beats", _silent)
    first, _ = leading(url, lease_s=LEASE_S)
    with standing_by(url, elsewhere) as (_, successor), pytest.raises(LeaseLost):
        _writes_while_another_takes_over(first, successor)
    first.close()


def _writes_while_another_takes_over(first: Journal, successor: Callable[[], Journal]) -> None:
    with first.appending("test") as entry:
        entry.connection.exec_driver_sql("SELECT 1")
        with successor() as second:
            intents_of(second).create(Intent("two", 0, PAYLOAD))


def test_row_89_a_row_of_an_older_term_is_refused_in_its_transaction(url: str) -> None:
    """As behind a pooler that passes the statements of an ended session on to a living one."""
    first, lease = leading(url)
    log = intents_of(first)
    log.create(Intent("one", 0, PAYLOAD))
    with Journal.open_to_append(url) as other, other.appending("term") as entry:
        begin_term(entry, "another machine")
    with pytest.raises(LeaseLost, match="its term was 1, and term 2 has begun"):
        log.move("one", IntentStatus.SIGNING)
    assert log.status("one") is IntentStatus.OPEN
    assert lease.lost
    first.close()


def test_row_42_a_leader_that_is_cut_off_stops_by_itself(url: str, elsewhere: ThreadPoolExecutor) -> None:
    with tcp_proxy(url) as network:
        first, lease = leading(network.url, lease_s=LEASE_S)
        lost = threading.Event()
        lease.when_lost(lost.set)
        lease.require()
        network.cut()
        with standing_by(url, elsewhere) as (_, successor), successor():
            # The database has let go of it, and it has stopped before.
            with pytest.raises(LeaseLost):
                lease.require()
            assert lost.wait(WITHIN_S)
            with pytest.raises(LeaseLost):
                intents_of(first).create(Intent("one", 0, PAYLOAD))
            network.heal()
        first.close()


def test_row_44_a_standby_that_is_not_ready_does_not_lead_even_where_nobody_does(
    url: str, elsewhere: ThreadPoolExecutor
) -> None:
    first, _ = leading(url)
    with standing_by(url, elsewhere, ready=False) as (standing, successor):
        first.close()
        standing.asked.clear()
        assert standing.asked.wait(WITHIN_S)
        with Journal.open_for_reading(url) as journal:
            now = stored_leadership(journal)
        assert now is not None
        assert (now.leader, len(now.standbys)) == ("", 1)
        assert str(now).startswith("NOBODY LEADS, term 1; stands by: ")
        standing.ready = True
        successor().close()


def test_a_database_that_is_gone_ends_the_lease(url: str) -> None:
    first, lease = leading(url, lease_s=LEASE_S)
    lost = threading.Event()
    lease.when_lost(lost.set)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    assert lost.wait(WITHIN_S)
    with pytest.raises(JournalUnwritable):
        intents_of(first).create(Intent("one", 0, PAYLOAD))
    first.close()


def test_a_server_that_cannot_end_an_idle_session_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.journal.leased.OLDEST_SERVER", 99)
    with pytest.raises(InvalidSetting, match="cannot end an idle session"):
        leading(url)


def test_a_database_that_cannot_be_reached_is_named_and_nobody_leads() -> None:
    with pytest.raises(JournalUnwritable, match="cannot be reached"):
        leading("postgresql://keeper@127.0.0.1:9/keeper")


def test_a_pooler_that_changes_the_session_is_refused_before_this_keeper_leads(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.journal.leased.BACKEND", CHANGES)
    with pytest.raises(InvalidSetting, match="changes its session") as refused:
        leading(url)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("idle", [True, False], ids=["idle", "writing"])
def test_a_session_that_changes_later_ends_the_lease(
    url: str, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    first, lease = leading(url, lease_s=LEASE_S if idle else LONG_S)
    lost = threading.Event()
    lease.when_lost(lost.set)
    monkeypatch.setattr("keeper.journal.leased.BACKEND", CHANGES)
    if idle:
        assert lost.wait(WITHIN_S)
    else:
        with pytest.raises(LeaseLost):
            intents_of(first).create(Intent("one", 0, PAYLOAD))
    assert "has changed its session" in lease.lost
    first.close()


def test_an_idle_leader_notices_a_newer_term(url: str) -> None:
    first, lease = leading(url, lease_s=LEASE_S)
    lost = threading.Event()
    lease.when_lost(lost.set)
    with Journal.open_to_append(url) as other, other.appending("term") as entry:
        begin_term(entry, "another machine")
    assert lost.wait(WITHIN_S)
    assert "term 2 has begun" in lease.lost
    first.close()


def test_every_session_keeps_the_options_of_the_address_and_notices_a_dead_peer(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("CREATE SCHEMA elsewhere")
    address = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Delsewhere"
    first, _ = leading(address)
    with first, Journal.open_to_append(address) as command:
        for journal in (first, command):
            with journal._write("test") as session:
                shown = {name: session.exec_driver_sql(f"SHOW {name}").scalar() for name in SESSION_SETTINGS}
            assert shown.pop("search_path") == "elsewhere"
            assert shown.pop("synchronous_commit") == "on"
    with psycopg.connect(url, autocommit=True) as other:
        found = other.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'terms'").fetchall()
    assert found == [("elsewhere",)]


def test_a_role_that_may_not_see_the_leaders_session_reads_who_leads_and_not_when_it_was_heard(
    url: str,
) -> None:
    role = f"reader_{uuid.uuid4().hex}"
    first, _ = leading(url)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'reader'")
        other.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    theirs = make_url(url).set(username=role, password="reader").render_as_string(hide_password=False)
    with first, Journal.open_for_reading(theirs) as journal:
        now = stored_leadership(journal)
        assert now is not None
        assert (now.leader, now.silent_s) == (now.term.holder, None)  # type: ignore[union-attr]
        assert "when it was heard is not visible to this role" in str(now)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"DROP OWNED BY {role}")
        other.execute(f"DROP ROLE {role}")


def test_a_standby_can_look_at_a_journal_that_it_would_migrate_and_not_at_a_newer_one(url: str) -> None:
    with Journal.open_if_usable(url) as journal:
        assert not journal.exists
    Journal.open(url).close()
    for version in ("0101", "0102"):
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("UPDATE alembic_version SET version_num = %s", (version,))
        Journal.open_if_usable(url).close()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(JournalTooNew):
        Journal.open_if_usable(url)


def test_a_file_has_no_leader(sqlite_url: str) -> None:
    with Journal.open(sqlite_url) as journal:
        assert stored_leadership(journal) is None

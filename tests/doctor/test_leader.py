"""The doctor's line of the leader, on a real PostgreSQL."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from keeper.doctor.diagnosis import Diagnosis, DoctorContext, LineStatus
from keeper.doctor.local import leader
from keeper.journal.lease import Lease
from keeper.journal.store import Journal
from keeper.settings.schema import Settings
from tests.databases import fresh_database
from tests.journal.candidates import Standing


def line(url: str) -> Diagnosis:
    with ExitStack() as stack:
        context = DoctorContext(stack)
        context.settings = Settings(journal_url=url)
        return leader(context)


def test_a_journal_in_a_file_needs_no_leader(tmp_path: Path) -> None:
    assert line(f"sqlite:///{tmp_path / 'keeper.db'}").status is LineStatus.OK


def test_where_nobody_leads_or_stands_by_is_a_warning(postgres_server: str) -> None:
    url = fresh_database(postgres_server)
    with Journal.open(url):
        assert line(url).status is LineStatus.OK  # nobody uses --standby
    with Journal.open_to_lead(url, Lease(60.0), Standing()):
        alone = line(url)
    assert (alone.status, alone.detail.endswith("stands by: nobody")) == (LineStatus.WARNING, True)
    assert "the other machine" in alone.remedy
    nobody = line(url)
    assert (nobody.status, nobody.detail) == (LineStatus.WARNING, "NOBODY LEADS, term 1; stands by: nobody")
    assert "both machines" in nobody.remedy

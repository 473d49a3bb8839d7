"""Executed swaps come back as they were written, with the record that tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from keeper.domain.plan import Route
from keeper.journal.fills import StoredFills
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.factories import an_executed_swap
from tests.journal.rows import a_record

LONG = an_executed_swap(
    route=Route(("USDC", "WETH", "LINK"), (500, 3_000)), bought="LINK", realised_out=2**200
)
UNTOLD = an_executed_swap(simulated_out=None, value_usd=0.1 + 0.2)


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    with Journal.open(journal_url) as opened:
        yield opened


def test_they_come_back_oldest_first_as_they_were(journal: Journal) -> None:
    records = StoredRecords(journal)
    records.append(replace(a_record("one"), executed_swaps=(LONG, UNTOLD)))
    records.append(a_record("two"))
    records.append(replace(a_record("three"), executed_swaps=(an_executed_swap(),)))
    assert StoredFills(journal).latest(10) == (LONG, UNTOLD, an_executed_swap())
    assert StoredFills(journal).latest(2) == (UNTOLD, an_executed_swap())
    assert records.record("one").executed_swaps == (LONG, UNTOLD)
    journal.verify()


def test_a_journal_that_is_not_there_tells_of_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('none') / 'keeper.db'}"
    with Journal.open_if_there(url) as journal:
        assert StoredFills(journal).latest(10) == ()

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from keeper.domain.errors import JournalCorrupt
from keeper.domain.information import Acceptance, Fact
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.store import Journal

FACTS = (Fact("implied:ETH", 0.0), Fact("opinions:UNI", -math.inf))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'keeper.db'}"


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    with Journal.open(url) as opened:
        yield opened


def test_an_acceptance_comes_back_equal_and_is_numbered(journal: Journal) -> None:
    stored = StoredAcceptances(journal, lambda: 12.5)
    first, second = stored.accept(FACTS, "the market is gone"), stored.accept((), "again")
    assert first == Acceptance(1, FACTS, "the market is gone", 12)
    assert stored.after(0) == (first, second)
    assert stored.after(1) == (second,)
    assert stored.after(2) == ()


def test_an_unreadable_acceptance_is_named(journal: Journal, url: str) -> None:
    StoredAcceptances(journal, lambda: 0.0).accept(FACTS, "gone")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE acceptances SET body = '{}'"))
    engine.dispose()
    with pytest.raises(JournalCorrupt, match="acceptance"):
        StoredAcceptances(journal, lambda: 0.0).after(0)

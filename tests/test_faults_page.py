"""docs/faults.md and the names of the tests agree."""

from __future__ import annotations

import re

import pytest

from tests.tools.faults_page import (
    HEADING,
    PAGE,
    ROOT,
    covering_tests,
    invariants,
    listing,
    not_covered,
    rows,
)

TEXT = PAGE.read_text(encoding="utf-8")
TABLES, _, LISTED = TEXT.partition(HEADING)
CITED = re.compile(r"\bN[1-9]\b")


def test_the_rows_are_numbered_without_a_gap() -> None:
    assert rows(TABLES) == tuple(range(1, len(rows(TABLES)) + 1))


@pytest.mark.slow
def test_every_test_of_a_row_is_listed() -> None:
    assert listing() == LISTED, "run `make faults`"


def test_a_test_is_of_a_row_that_exists() -> None:
    assert {row for row in covering_tests() if isinstance(row, int)} <= set(rows(TABLES))
    assert {row for row in covering_tests() if isinstance(row, str)} <= set(invariants(TABLES))


def test_a_row_has_a_test_or_says_what_is_missing() -> None:
    tested = {row for row in covering_tests() if isinstance(row, int)}
    assert set(rows(TABLES)) - tested == set(not_covered(TABLES))


def test_every_invariant_that_is_cited_exists() -> None:
    known = set(invariants(TABLES))
    assert len(known) == 8
    assert set(CITED.findall(TABLES)) == known
    for path in (ROOT / "tests").rglob("*.py"):
        assert set(CITED.findall(path.read_text(encoding="utf-8"))) <= known, path

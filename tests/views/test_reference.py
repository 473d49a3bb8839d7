from __future__ import annotations

import re
from pathlib import Path

import pytest

from keeper.domain.errors import BadInput
from keeper.views.reference import every_meaning, meanings, required_meanings

DOCS = Path(__file__).parents[2] / "docs"
CODES_PAGE = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
NAMED = re.findall(r"^\| (?:by )?`?(\w+)(?::SYMBOL)?`? \|", CODES_PAGE, flags=re.MULTILINE)
HEADINGS = {"code", "gate", "check", "bound", "hindrance", "error", "cause"}


@pytest.mark.parametrize("name", sorted(set(NAMED) - HEADINGS))
def test_every_row_of_the_page_can_be_explained(name: str) -> None:
    named = meanings(name)
    assert named, name
    assert all(entry.meaning.endswith(".") for entry in named)


def test_every_meaning_is_on_a_page() -> None:
    pages = CODES_PAGE + (DOCS / "prices.md").read_text(encoding="utf-8")
    assert {entry.name for entry in every_meaning() if entry.name not in pages} == set()


def test_a_name_of_two_things_has_both_meanings() -> None:
    assert [entry.kind for entry in meanings("day_loss")] == ["limit", "pause"]


def test_letter_case_and_the_symbol_of_a_bound_do_not_matter() -> None:
    assert meanings("nodeunavailable")[0].exit_code == 3
    assert meanings("weight_cap:WETH") == meanings("weight_cap") != ()


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="no_such_gate: no exit code") as caught:
        required_meanings("no_such_gate")
    assert "docs/exit-codes.md" in caught.value.remedy

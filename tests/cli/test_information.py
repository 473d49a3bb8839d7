"""``keeper information`` on a journal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.cli.main import main
from keeper.domain.record import DecisionRecord
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.factories import a_memory
from tests.views.records import a_record


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a journal whose last cycle missed WBTC's pools."""
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path / 'keeper.db'}"
    monkeypatch.setenv("KEEPER_JOURNAL_URL", address)
    with Journal.open(address) as journal:
        StoredRecords(journal).append(missing_pools())
    return address


def missing_pools() -> DecisionRecord:
    record = a_record()
    assert record.conclusions is not None
    return replace(record, conclusions=replace(record.conclusions, information=a_memory()))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(("information", *arguments))
    return caught.value.code if isinstance(caught.value.code, int) else 0


def test_it_shows_what_is_missing_and_since_when(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    shown = capsys.readouterr().out
    assert "missing depth:WBTC (since 2023-06-15" in shown
    assert "borrow_cap" in shown


def test_its_json_has_the_same(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == 0
    (fact,) = json.loads(capsys.readouterr().out)["missing_facts"]
    assert (fact["name"], fact["before"], fact["now"], fact["accepted"]) == ("depth:WBTC", 1.0, 0.0, False)


def test_an_acceptance_is_journaled_with_its_reason(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--accept", "--reason", "the pool is gone") == 0
    assert "depth:WBTC" in capsys.readouterr().out
    with Journal.open_for_reading(url) as journal:
        (accepted,) = StoredAcceptances(journal, lambda: 0.0).after(0)
    assert accepted.reason == "the pool is gone"
    assert [fact.name for fact in accepted.facts] == ["depth:WBTC"]
    assert run("--json") == 0
    assert json.loads(capsys.readouterr().out)["missing_facts"][0]["accepted"] is True


@pytest.mark.parametrize("given", [("--accept",), ("--reason", "why")])
def test_an_acceptance_needs_its_reason(
    given: tuple[str, ...], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*given) == 2
    assert "--accept" in capsys.readouterr().err


def test_where_nothing_is_missing_nothing_is_accepted(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal.open(url) as journal:
        StoredRecords(journal).append(replace(a_record(), record_id="later"))
    assert run("--accept", "--reason", "why") == 0
    assert "Nothing is missing" in capsys.readouterr().out

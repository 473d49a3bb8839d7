"""``keeper explain`` on a journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.cli.main import main
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.cycle.decided_records import a_decided_record


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path / 'keeper.db'}"
    monkeypatch.setenv("KEEPER_JOURNAL_URL", address)
    monkeypatch.setenv("COLUMNS", "200")
    with Journal.open(address) as journal:
        StoredRecords(journal).append(a_decided_record(1).record)
    return address


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(("explain", *arguments))
    return caught.value.code if isinstance(caught.value.code, int) else 0


@pytest.mark.parametrize("which", [(), ("5555",)])
def test_the_newest_record_or_a_named_one_is_explained(
    which: tuple[str, ...], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*which) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Record 555555555555 of 2023-06-15")
    assert "The keeper held." in shown
    assert "- It acts if " in shown
    assert "\nNext look\n" in shown


def test_its_json_has_the_thresholds(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert value["thresholds"][0]["action"] == "REBALANCE"
    assert value["ripcord"][0]["change"] < 0


def test_a_name_is_explained_without_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("5") == 0
    assert "A limit, a check or the chain refused the trade." in capsys.readouterr().out
    assert run("prices_fresh") == 0
    assert "Holds when: every price is FRESH, or that of a" in capsys.readouterr().out


def test_a_word_that_is_neither_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("nonsense") == 2
    assert "nonsense: no exit code" in capsys.readouterr().err
    assert run("abcd") == 2
    assert "no record matches" in capsys.readouterr().err


def test_a_journal_without_records_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run() == 2
    assert "keeper run" in capsys.readouterr().err

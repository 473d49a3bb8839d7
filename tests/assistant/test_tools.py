"""The tools on a journal: each answers with what the command prints as JSON, or with a named error."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from keeper.app.queries import recorded_account
from keeper.assistant import tools
from keeper.assistant.tools import QUESTIONS, Reply, call
from keeper.cli.main import main
from keeper.domain.errors import InvalidSetting
from keeper.journal.attempts import StoredAttempts
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.settings.load import load
from tests.assistant.journals import CALL_GAS, HELD_ID, TRADED_ID, a_journal, mined, traded, with_summary
from tests.factories import NOW


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    a_journal(folder)
    return folder


@pytest.fixture
def folder(written_once: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Read only: no test writes this journal."""
    monkeypatch.chdir(written_once)
    return written_once


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    with pytest.raises(SystemExit):
        main(arguments)
    return json.loads(capsys.readouterr().out)


def error(reply: Reply) -> dict[str, Any]:
    assert reply.failed
    named: dict[str, Any] = reply.value["error"]
    assert named["message"]
    assert named["remedy"]
    return named


@pytest.mark.parametrize(
    ("name", "arguments", "command"),
    [
        ("explain", {"what": TRADED_ID[:4].upper()}, ("explain", TRADED_ID[:4])),
        ("explain", {"what": "prices_fresh"}, ("explain", "prices_fresh")),
        ("record", {"record_id": HELD_ID}, ("journal", "show", HELD_ID)),
        ("costs", {"per": "day"}, ("journal", "costs", "--per", "day")),
        (
            "costs",
            {"from": "2023-06-15", "to": "2023-06-15"},
            ("journal", "costs", "--from", "2023-06-15", "--to", "2023-06-15"),
        ),
    ],
)
def test_a_tool_answers_what_its_command_prints(
    name: str,
    arguments: dict[str, Any],
    command: tuple[str, ...],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reply = call(name, arguments)
    assert not reply.failed
    assert reply.value == printed(capsys, *command, "--json")


def test_a_record_has_its_gates_with_value_and_limit(folder: Path) -> None:
    gates = call("record", {"record_id": TRADED_ID}).value["gates"]
    assert [gate["name"] for gate in gates if not gate["passed"]] == ["gas_balance"]
    assert all(gate["detail"] and "limit" in gate for gate in gates)


def test_records_come_in_pages(folder: Path) -> None:
    first = call("records", {"limit": 1}).value
    assert [record["record_id"] for record in first["records"]] == [HELD_ID]
    second = call("records", {"limit": 1, "before": first["next_before"]}).value
    assert [record["record_id"] for record in second["records"]] == [TRADED_ID]
    last = call("records", {"limit": 1, "before": second["next_before"]}).value
    assert last == {"records": [], "next_before": None}


@pytest.mark.parametrize(
    ("name", "arguments", "of", "words"),
    [
        ("record", {"record_id": "abcd"}, "RecordNotFound", "record abcd: no record matches"),
        ("records", {"before": "abcd"}, "RecordNotFound", "record abcd: no record matches"),
        ("explain", {"what": "abcd"}, "RecordNotFound", "record abcd: no record matches"),
        ("explain", {"what": "nonsense"}, "BadInput", "nonsense: no exit code"),
        ("records", {"limit": 0}, "BadInput", "limit = 0"),
        ("costs", {"from": "2023-06-02", "to": "2023-06-01"}, "BadInput", "from = 2023-06-02 is after to ="),
    ],
)
def test_an_unknown_cycle_or_a_wrong_argument_is_a_named_error(
    name: str, arguments: dict[str, Any], of: str, words: str, folder: Path
) -> None:
    named = error(call(name, arguments))
    assert named["name"] == of
    assert words in named["message"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("explain", {}), ("records", {}), ("record", {"record_id": "abcd"}), ("costs", {})],
)
def test_a_missing_journal_is_a_named_error(name: str, arguments: dict[str, Any], empty: Path) -> None:
    named = error(call(name, arguments))
    assert named["name"] == "JournalMissing"
    assert str(empty / "keeper.db") in named["message"]
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(("revision", "of"), [("9999", "JournalTooNew"), ("0001", "JournalTooOld")])
def test_a_journal_of_another_revision_is_a_named_error(revision: str, of: str, empty: Path) -> None:
    Journal.open(f"sqlite:///{empty / 'keeper.db'}").close()
    raw = sqlite3.connect(empty / "keeper.db")
    with raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    raw.close()
    assert error(call("records", {}))["name"] == of


def test_what_a_journal_was_made_to_hold_comes_out_printable(empty: Path) -> None:
    with Journal.open(f"sqlite:///{empty / 'keeper.db'}") as journal:
        StoredRecords(journal).append(with_summary(traded(), "REBALANCE: \x1b]0;owned\x07\u202e"))
    for name, arguments in (("records", {}), ("explain", {}), ("record", {"record_id": TRADED_ID})):
        text = json.dumps(call(name, arguments).value, ensure_ascii=False)
        assert text.isprintable()
        assert "owned" in text


def test_wrong_settings_are_a_named_error(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "KEEPER_RPC_URL" in error(call("status", {}))["message"]
    assert "KEEPER_RPC_URL" in error(call("simulate", {}))["message"]
    monkeypatch.setenv("KEEPER_CHAIN_ID", "mainnet")
    assert error(call("records", {}))["name"] == "InvalidSetting"


def test_more_periods_than_an_answer_holds_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "MAX_PERIODS", 0)
    assert "per = month: 1 periods" in error(call("costs", {}))["message"]


def test_a_trade_that_a_later_cycle_settled_is_named_beside_the_costs(empty: Path) -> None:
    url = a_journal(empty)
    assert call("costs", {}).value["total"]["unmeasured"] == 0
    with Journal.open(url) as journal:
        mined(StoredAttempts(journal, lambda: float(NOW + 9)), "settled later", nonce=9, gas=CALL_GAS)
    total = call("costs", {}).value["total"]
    assert (total["calls"], total["unmeasured"]) == (2, 1)


def test_the_account_comes_from_the_settings_or_from_the_newest_cycle_and_from_no_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_KEYSTORE", str(folder / "there-is-no-keystore.json"))
    monkeypatch.setenv("KEEPER_KEYSTORE_PASSWORD_FILE", str(folder / "there-is-no-password"))
    inputs = traded().inputs
    assert inputs is not None
    assert recorded_account(load()) == inputs.snapshot.keeper_address
    monkeypatch.setenv("KEEPER_SENDER", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    assert recorded_account(load()) == "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def test_without_a_cycle_the_account_must_be_set(empty: Path) -> None:
    with pytest.raises(InvalidSetting, match="KEEPER_SENDER is not set"):
        recorded_account(load())


def test_no_tool_sends_pauses_or_writes() -> None:
    assert set(QUESTIONS) == {"status", "explain", "records", "record", "costs", "simulate"}

"""Settings that are read again after a hang-up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keeper.app import operator
from keeper.app.reload import new_settings
from keeper.domain.record import Mode
from keeper.journal.store import Journal
from keeper.settings.load import load

KEYSTORE = '{"version": 3, "crypto": {}}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "KEEPER_RPC_URL": "http://127.0.0.1:9",
        "KEEPER_CHAIN_ID": "31337",
        "KEEPER_VAULT": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "KEEPER_QUOTER": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "KEEPER_JOURNAL_URL": f"sqlite:///{tmp_path / 'keeper.db'}",
    }.items():
        monkeypatch.setenv(name, value)
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}"):
        pass
    return tmp_path


def refusal(lines: list[Any]) -> str:
    return str(next(line["reason"] for line in lines if line["event"] == "settings_refused"))


def test_what_the_files_say_now_counts(folder: Path) -> None:
    (folder / "keeper.toml").write_text("[decision]\nmin_trade_usd = 777\n", encoding="utf-8")
    changed = new_settings(Mode.LIVE)
    assert changed is not None
    assert changed.decision.min_trade_usd == 777


def test_wrong_settings_are_refused_and_the_old_ones_go_on(folder: Path, lines: list[Any]) -> None:
    (folder / "keeper.toml").write_text("[decision]\nmin_trade_usd = -1\n", encoding="utf-8")
    assert new_settings(Mode.DRY_RUN) is None
    assert "min_trade_usd" in refusal(lines)


def test_a_change_that_nobody_sealed_is_refused(folder: Path, lines: list[Any]) -> None:
    operator.seal(load())
    (folder / "keeper.toml").write_text("[decision]\nmin_trade_usd = 777\n", encoding="utf-8")
    assert new_settings(Mode.LIVE) is None
    assert "changed since `keeper seal`" in refusal(lines)


def test_a_key_whose_password_must_be_typed_is_refused(
    folder: Path, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "keystore.json").write_text(KEYSTORE, encoding="utf-8")
    monkeypatch.setenv("KEEPER_KEYSTORE", str(folder / "keystore.json"))
    assert new_settings(Mode.LIVE) is None
    assert "KEEPER_KEYSTORE_PASSWORD_FILE" in refusal(lines)
    assert new_settings(Mode.DRY_RUN) is not None, "a dry run opens no key"

"""Which settings differ, which of them a running keeper follows, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from keeper.settings.changes import changes, needing_restart, start_only
from keeper.settings.load import overridden
from keeper.settings.schema import Settings
from keeper.settings.strategy import AssetTable, SizeTable

VAULT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def test_equal_settings_have_no_changes() -> None:
    assert changes(Settings(), Settings()) == ()


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        ({"size": {"max_leverage": 1.5}}, "size.max_leverage = 1.5 (it was 2.5)"),
        ({"quoter": VAULT}, f"KEEPER_QUOTER = {VAULT} (it was not set)"),
        ({"rpc_url": "https://node.example"}, "KEEPER_RPC_URL = https://node.example (it was not set)"),
        (
            {"dead_man_url": SecretStr("https://hc/canary")},
            "KEEPER_DEAD_MAN_URL changed; its value is secret",
        ),
    ],
)
def test_a_change_says_name_new_and_old_value_and_no_secret(after: dict[str, Any], sentence: str) -> None:
    (change,) = changes(Settings(), Settings(**after))
    assert str(change).replace(f"it was {Settings().size.max_leverage}", "it was 2.5") == sentence


def test_an_address_whose_secret_part_changed_shows_neither() -> None:
    before, after = (Settings(rpc_url=f"https://node.example/v3/{part * 20}") for part in "ab")
    (change,) = changes(before, after)
    assert str(change) == "KEEPER_RPC_URL changed; its value is secret"


def test_a_setting_that_is_taken_away_is_said_so() -> None:
    (change,) = changes(Settings(quoter=VAULT), Settings())
    assert str(change) == f"KEEPER_QUOTER is not set (it was {VAULT})"


def test_an_asset_that_comes_in_is_a_change_of_each_of_its_values() -> None:
    half = (AssetTable(symbol="WBTC", budget=0.5), AssetTable(symbol="WETH", budget=0.5))
    names = {
        change.name
        for change in changes(Settings(assets=(AssetTable(symbol="WBTC", budget=1),)), Settings(assets=half))
    }
    assert {"assets[0].budget", "assets[1].symbol", "assets[1].budget"} <= names


def test_the_key_the_journal_and_the_listener_need_a_restart_and_the_strategy_does_not() -> None:
    before = Settings(rpc_url="http://127.0.0.1:1", metrics_port=9188)
    after = Settings(
        rpc_url="http://127.0.0.1:2",
        metrics_port=9189,
        journal_url="sqlite:///other.db",
        keystore=Path("other.json"),
        size=SizeTable(max_leverage=1.5),
    )
    refused = {change.name for change, why in needing_restart(changes(before, after)) if why}
    assert refused == {"KEEPER_METRICS_PORT", "KEEPER_JOURNAL_URL", "KEEPER_KEYSTORE"}


def test_every_way_to_name_a_key_needs_a_restart() -> None:
    names = {name for name, _ in start_only()}
    assert {"private_key", "keystore", "keystore_password_file", "signer_url", "sender"} <= names
    assert {"chain_id", "vault", "journal_url", "fallback_journal", "pause_file", "lock_directory"} <= names


def test_a_value_of_the_file_that_the_environment_overrides_is_named(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / ".env").write_text(
        "KEEPER_CHAIN_ID=1\nKEEPER_SIZE__MAX_LEVERAGE=1.5\nKEEPER_LOG_LEVEL=info\n", encoding="utf-8"
    )
    monkeypatch.setenv("KEEPER_CHAIN_ID", "1")
    monkeypatch.setenv("KEEPER_SIZE__MAX_LEVERAGE", "1.2")
    assert overridden() == ("KEEPER_SIZE__MAX_LEVERAGE",)

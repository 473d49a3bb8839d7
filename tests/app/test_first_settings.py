"""`keeper init`: settings for a vault, from what the chain says of it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from dotenv import dotenv_values

from keeper.app.first_settings import first_environment, first_strategy, write_first_settings
from keeper.domain.errors import BadInput
from keeper.domain.units import WAD
from keeper.domain.vault_state import VaultState
from keeper.settings.load import load
from keeper.settings.schema import Settings
from tests.factories.vault_states import a_vault_state

URL = "http://127.0.0.1:8545"
QUOTER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def test_the_two_files_are_settings_that_load_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = a_vault_state()
    folder, elsewhere = tmp_path / "keeper", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    strategy, environment = write_first_settings(state, rpc_url=URL, quoter=QUOTER, directory=folder)
    assert environment.stat().st_mode & 0o777 == 0o600

    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("KEEPER_ENV_FILE", str(environment))
    settings = load()
    assert (settings.vault, settings.chain_id) == (state.address, state.block.chain_id)
    assert settings.config == strategy
    assert settings.journal_url == f"sqlite:///{folder / 'keeper.db'}"
    assert {asset.symbol for asset in settings.assets} == {
        asset.symbol for asset in state.assets[1:] if asset.enabled
    }
    keeper = next(role.account for role in state.roles if role.role == "keeper")
    assert dotenv_values(environment)["KEEPER_SENDER"] == keeper


@pytest.mark.parametrize("count", range(1, 8))
def test_the_budgets_sum_to_one_and_are_equal(count: int) -> None:
    state = a_vault_state()
    risky = tuple(replace(state.assets[1], symbol=f"A{number}") for number in range(count))
    content = tomllib.loads(first_strategy(replace(state, assets=(state.assets[0], *risky))))
    budgets = [asset["budget"] for asset in content["assets"]]
    assert max(budgets) - min(budgets) < 0.001
    Settings(**content)


def test_no_limit_is_looser_than_the_vaults() -> None:
    state = a_vault_state()
    tight = replace(
        state,
        policy=replace(state.policy, max_leverage=WAD * 3 // 2, min_health=2 * WAD),
        assets=tuple(replace(asset, max_weight_bps=7_000) for asset in state.assets),
    )
    content = tomllib.loads(first_strategy(tight))
    assert content["size"]["max_leverage"] == 1.5
    assert content["size"]["min_health_factor"] == 2.0
    assert {asset["max_weight"] for asset in content["assets"]} == {0.7}


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("mine")
    with pytest.raises(BadInput, match=r"\.env exists"):
        write_first_settings(a_vault_state(), rpc_url=URL, quoter=None, directory=tmp_path)
    assert (tmp_path / ".env").read_text() == "mine"
    assert not (tmp_path / "keeper.toml").exists()


def test_the_native_coins_feed_is_needed_where_there_is_no_address_book(tmp_path: Path) -> None:
    state = a_vault_state()
    on_book = replace(state, block=replace(state.block, chain_id=1))

    def needed(of: VaultState) -> bool:
        text = first_environment(of, rpc_url=URL, quoter=QUOTER, directory=tmp_path)
        assert "#KEEPER_NATIVE_FEED=" in text
        return "NEEDED: the feed of the native coin" in text

    assert (needed(state), needed(on_book)) == (True, False)

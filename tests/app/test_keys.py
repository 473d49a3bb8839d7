from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account
from eth_typing import HexStr

from keeper.app.keys import acting_account, signer
from keeper.domain.errors import InvalidSetting
from keeper.settings.schema import Settings
from keeper.tx.allowlist import VaultTargets

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
PUBLIC_DEVELOPMENT_KEY = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # Anvil's first account
)
DEVELOPMENT_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def settings(**changes: object) -> Settings:
    base = {"rpc_url": "http://127.0.0.1:1", "chain_id": 31337, "vault": ADDRESS, "quoter": ADDRESS}
    return Settings(**{**base, **changes})  # type: ignore[arg-type]


def no_targets() -> VaultTargets:
    raise AssertionError("something was signed")


def never_asked() -> str:
    raise AssertionError("the password was asked for")


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    content = Account.encrypt(HexStr(PUBLIC_DEVELOPMENT_KEY), "correct horse", kdf="pbkdf2", iterations=2)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_keystore_is_opened_with_the_first_line_of_the_password_file(
    tmp_path: Path, keystore: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("correct horse\n", encoding="utf-8")
    chosen = settings(chain_id=1, keystore=keystore, keystore_password_file=password)
    with signer(chosen, never_asked, no_targets) as opened:
        pass
    assert opened.address == DEVELOPMENT_ADDRESS


def test_without_a_password_file_the_password_is_asked_for(keystore: Path) -> None:
    with signer(settings(keystore=keystore), lambda: "correct horse", no_targets) as opened:
        assert opened.address == DEVELOPMENT_ADDRESS


def test_a_wrong_password_says_so_and_shows_neither_password_nor_key(keystore: Path) -> None:
    with pytest.raises(InvalidSetting) as caught:
        signer(settings(keystore=keystore), lambda: "wrong horse", no_targets).__enter__()
    assert "password" in caught.value.message
    assert "wrong horse" not in caught.value.message + caught.value.remedy


def test_a_simulation_knows_the_account_of_a_keystore_without_opening_it(keystore: Path) -> None:
    assert acting_account(settings(chain_id=1, keystore=keystore)).lower() == DEVELOPMENT_ADDRESS.lower()


def test_a_simulation_may_act_as_a_named_account() -> None:
    assert acting_account(settings(sender=ADDRESS)) == ADDRESS


def test_the_public_development_key_works_on_the_development_chain() -> None:
    with signer(settings(private_key=PUBLIC_DEVELOPMENT_KEY), never_asked, no_targets) as opened:
        assert opened.address == DEVELOPMENT_ADDRESS


@pytest.mark.parametrize(
    "what", [acting_account, lambda chosen: signer(chosen, never_asked, no_targets).__enter__()]
)
def test_without_any_key_the_settings_to_set_are_named(what: object) -> None:
    with pytest.raises(InvalidSetting) as caught:
        what(settings())  # type: ignore[operator]
    assert "KEEPER_KEYSTORE" in caught.value.remedy


def test_a_keystore_without_its_address_asks_for_the_sender_and_not_for_a_keystore(keystore: Path) -> None:
    content = json.loads(keystore.read_text(encoding="utf-8"))
    del content["address"]
    keystore.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InvalidSetting, match="does not state its address") as caught:
        acting_account(settings(keystore=keystore))
    assert "KEEPER_SENDER" in caught.value.remedy
    assert acting_account(settings(keystore=keystore, sender=ADDRESS)) == ADDRESS
    with signer(settings(keystore=keystore), lambda: "correct horse", no_targets) as opened:
        assert opened.address == DEVELOPMENT_ADDRESS

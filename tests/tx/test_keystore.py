"""Keystores as wallets write them, and what is no keystore."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_typing import HexStr

from keeper.domain.errors import InvalidSetting
from keeper.runtime.text_files import first_line
from keeper.tx.keystore import decrypted_key, stated_address
from tests.servers.mutations import KINDS, WRONG_TYPES, mutated, places

PASSWORD = "correct horse"
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # Anvil's first account
ADDRESS = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
SETTING = "KEEPER_KEYSTORE"


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return dict(Account.encrypt(HexStr(KEY), PASSWORD, kdf="pbkdf2", iterations=2))


def written(folder: Path, content: Any) -> Path:
    path = folder / "key.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def opened(path: Path, password: str = PASSWORD) -> str:
    return decrypted_key(path, SETTING, lambda: password).hex()


def refusal(path: Path) -> InvalidSetting | None:
    """None if it opens, to the right key."""
    try:
        key = opened(path)
    except InvalidSetting as error:
        return error
    assert key == KEY[2:]
    return None


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


@pytest.mark.parametrize(
    "spelt",
    [
        lambda content: content,
        lambda content: without(content, "address"),
        lambda content: without(content, "id"),
        lambda content: content | {"address": None},
        lambda content: content | {"address": ""},
        lambda content: content | {"address": ADDRESS},
        lambda content: without(content, "crypto") | {"Crypto": content["crypto"]},
    ],
    ids=["eth_account", "no address", "no id", "null address", "empty address", "with 0x", "capital Crypto"],
)
def test_a_keystore_is_opened_however_a_wallet_writes_it(
    tmp_path: Path, content: dict[str, Any], spelt: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    path = written(tmp_path, spelt(content))
    assert opened(path) == KEY[2:]
    assert stated_address(path, SETTING) in (ADDRESS, None)


def test_a_keystore_may_have_a_byte_order_mark(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(codecs.BOM_UTF8 + json.dumps(content).encode())
    assert opened(path) == KEY[2:]


@pytest.mark.parametrize("address", ["me", "0x", 5, ["0x"], ADDRESS + "00"])
def test_an_address_that_is_none_is_named(tmp_path: Path, content: dict[str, Any], address: Any) -> None:
    with pytest.raises(InvalidSetting, match=r"KEEPER_KEYSTORE = .*its address .* is no Ethereum address"):
        stated_address(written(tmp_path, content | {"address": address}), SETTING)


def test_a_keystore_of_another_account_than_it_states_is_refused(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    path = written(tmp_path, content | {"address": "11" * 20})
    with pytest.raises(InvalidSetting, match=f"its key is that of {ADDRESS}"):
        opened(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": 1}, "version is 1"),
        ({"version": None}, "version is None"),
        ({"crypto": None}, "no field crypto"),
        ({"crypto.kdf": "argon2id"}, "kdf is 'argon2id'"),
        ({"crypto.kdf": None}, "kdf is None"),
        ({"crypto.cipher": "aes-256-gcm"}, "cipher is 'aes-256-gcm'"),
        ({"crypto.kdfparams": 5}, "no fields kdfparams"),
        ({"crypto.mac": None}, "field mac"),
        ({"crypto.ciphertext": "zz"}, "field ciphertext"),
        ({"crypto.kdfparams.c": None}, "field c"),
        ({"crypto.kdfparams.c": 10**12}, "beyond what a keeper computes"),
        ({"crypto.kdfparams.dklen": 16}, "beyond what a keeper computes"),
    ],
)
def test_a_field_that_is_wrong_is_named_and_the_password_is_not_blamed(
    tmp_path: Path, content: dict[str, Any], change: dict[str, Any], named: str
) -> None:
    whole = json.loads(json.dumps(content))
    for name, value in change.items():
        *above, field = name.split(".")
        place = whole
        for step in above:
            place = place[step]
        place[field] = value
    with pytest.raises(InvalidSetting, match=named):
        opened(written(tmp_path, whole))


@pytest.mark.parametrize("kind", KINDS)
def test_any_mutation_is_opened_or_refused(tmp_path: Path, content: dict[str, Any], kind: str) -> None:
    for place in places(content):
        for variant in range(len(WRONG_TYPES)):
            path = written(tmp_path, mutated(content, place, kind, variant))
            error = refusal(path)
            if error is not None:
                assert KEY[2:] not in error.message
                assert PASSWORD not in error.message


def test_scrypt_that_needs_more_memory_than_a_keeper_has_is_refused(tmp_path: Path) -> None:
    content: dict[str, Any] = dict(Account.encrypt(HexStr(KEY), PASSWORD, kdf="scrypt", iterations=2))
    assert opened(written(tmp_path, content)) == KEY[2:]
    content["crypto"]["kdfparams"]["n"] = 2**40
    with pytest.raises(InvalidSetting, match="beyond what a keeper computes"):
        opened(written(tmp_path, content))


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nsecond line\n"])
def test_a_password_is_the_first_line_without_mark_and_line_end(tmp_path: Path, end: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(codecs.BOM_UTF8 + f"{PASSWORD}{end}".encode())
    assert first_line(path, "KEEPER_KEYSTORE_PASSWORD_FILE") == PASSWORD


def test_a_password_in_utf_16_is_refused_by_its_setting(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(PASSWORD.encode("utf-16"))
    with pytest.raises(InvalidSetting, match="KEEPER_KEYSTORE_PASSWORD_FILE = .*UTF-16"):
        first_line(path, "KEEPER_KEYSTORE_PASSWORD_FILE")

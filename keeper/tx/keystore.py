"""An encrypted keystore (V3, as geth defines it): its address, and its key.

Every field is checked before the password is used, so that a wrong file is not told as a wrong password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keeper.domain.errors import InvalidSetting
from keeper.runtime.text_files import json_object

VERSION = 3
CIPHER = "aes-128-ctr"
PRF = "hmac-sha256"
"""The only one that the definition of V3 knows."""
KDF_NUMBERS = {"scrypt": ("n", "r", "p", "dklen"), "pbkdf2": ("c", "dklen")}
"""The parameters of each key derivation that are numbers."""
MAX_SCRYPT_BYTES = 2**31
"""geth's own keystores take 2**28."""
MAX_PBKDF2_ROUNDS = 10**8
MIN_DERIVED_BYTES = 32

_HEX = re.compile(r"(0x)?([0-9a-fA-F]{2})+")
_ADDRESS = re.compile(r"(0[xX])?[0-9a-fA-F]{40}")


def stated_address(path: Path, name: str) -> str | None:
    """The address that a keystore may state in clear text, lower-case 0x-hex. ``name`` is the setting that names the
    file. Raises InvalidSetting."""
    content = _content(path, name)
    address = content.get("address")
    if address in (None, ""):
        return None
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        raise _wrong(path, name, f"its address {address!r:.60} is no Ethereum address")
    return f"0x{address[-40:].lower()}"


def decrypted_key(path: Path, name: str, password: Callable[[], str]) -> bytes:
    """The private key. Raises InvalidSetting; its message never shows a secret."""
    from eth_account import Account

    content = _content(path, name)
    stated = stated_address(path, name)
    try:
        key = bytes(Account.decrypt(dict(content), password()))
        address = str(Account.from_key(key).address).lower()
    except (ValueError, KeyError, TypeError, MemoryError, OverflowError):
        raise InvalidSetting(
            f"{name} = {path}: the password does not open it",
            remedy="Check the password file, or type the password again.",
        ) from None
    if stated not in (None, address):
        raise _wrong(path, name, f"it states the address {stated}, but its key is that of {address}")
    return key


def _content(path: Path, name: str) -> Mapping[str, Any]:
    """The file with lower-case field names, as some wallets write them in capitals."""
    content = _lower_case(json_object(path, name))
    if content.get("version") != VERSION:
        raise _wrong(path, name, f"its version is {content.get('version')!r:.20}, not {VERSION}")
    crypto = content.get("crypto")
    if not isinstance(crypto, dict):
        raise _wrong(path, name, "it has no field crypto")
    kdf, parameters = crypto.get("kdf"), crypto.get("kdfparams")
    if not isinstance(kdf, str) or kdf not in KDF_NUMBERS:
        raise _wrong(path, name, f"its kdf is {kdf!r:.40}, not {' or '.join(KDF_NUMBERS)}")
    if crypto.get("cipher") != CIPHER:
        raise _wrong(path, name, f"its cipher is {crypto.get('cipher')!r:.40}, not {CIPHER}")
    cipher_parameters = crypto.get("cipherparams")
    if not isinstance(parameters, dict) or not isinstance(cipher_parameters, dict):
        raise _wrong(path, name, "it has no fields kdfparams and cipherparams")
    named = {"ciphertext": crypto, "mac": crypto, "iv": cipher_parameters, "salt": parameters}
    for field, place in named.items():
        value = place.get(field)
        if not isinstance(value, str) or _HEX.fullmatch(value) is None:
            raise _wrong(path, name, f"its field {field} is missing or not hexadecimal")
    _require_derivable(path, name, kdf, parameters=parameters)
    return content


def _require_derivable(path: Path, name: str, kdf: str, parameters: Mapping[str, Any]) -> None:
    for field in KDF_NUMBERS[kdf]:
        value = parameters.get(field)
        if type(value) is not int or value < 1:
            raise _wrong(path, name, f"its field {field} is {value!r:.20}, not a positive number")
    if kdf == "pbkdf2" and parameters.get("prf") != PRF:
        raise _wrong(path, name, f"its field prf is {parameters.get('prf')!r:.40}, not {PRF}")
    too_hard = (
        128 * parameters["n"] * parameters["r"] > MAX_SCRYPT_BYTES
        if kdf == "scrypt"
        else parameters["c"] > MAX_PBKDF2_ROUNDS
    )
    if too_hard or not MIN_DERIVED_BYTES <= parameters["dklen"] <= 1_024:
        raise _wrong(path, name, f"its parameters of {kdf} are beyond what a keeper computes")


def _lower_case(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key.lower(): _lower_case(value) if isinstance(value, dict) else value
        for key, value in content.items()
    }


def _wrong(path: Path, name: str, what: str) -> InvalidSetting:
    return InvalidSetting(
        f"{name} = {path}: not an encrypted keystore of version {VERSION}: {what}",
        remedy="Make one with `cast wallet import`, geth or eth_account.",
    )

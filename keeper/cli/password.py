"""The keystore's password, asked on the terminal."""

from __future__ import annotations

import sys
from getpass import getpass

from keeper.domain.errors import InvalidSetting


def ask_password() -> str:
    """Raises InvalidSetting where there is no terminal to ask on."""
    if not sys.stdin.isatty():
        raise InvalidSetting(
            "the keystore's password is not set, and there is no terminal to ask for it",
            remedy="Set KEEPER_KEYSTORE_PASSWORD_FILE to a file whose first line is the password.",
        )
    return getpass("Password of the keystore: ")

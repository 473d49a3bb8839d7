"""Text that others chose, on a screen and in a file."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.chain.contracts import vault_views
from keeper.domain.errors import NodeUnavailable
from keeper.domain.remote_text import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Vault σ", "Vault σ"),
        ("a\nKEEPER_CHAIN_ID=5", "a\\nKEEPER_CHAIN_ID=5"),
        ("\x1b[2J", "\\x1b[2J"),
        ("right\u202eleft", "right\\u202eleft"),
        ("no\u200bthing", "no\\u200bthing"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_every_text_becomes_printable_and_printable_text_stays(text: str) -> None:
    once = printable(text)
    assert once.isprintable()
    assert printable(once) == once
    assert all(line.isprintable() for line in printable_lines(text).split("\n"))


def test_the_name_of_a_vault_is_one_line() -> None:
    call = vault_views.name("0x" + "11" * 20)
    assert call.decode(encode(("string",), ("Mine\nKEEPER_EXECUTE=1",))) == "Mine\\nKEEPER_EXECUTE=1"


def test_an_error_that_quotes_a_node_is_printable() -> None:
    error = NodeUnavailable("it says \x1b]0;pwned\x07\nwell", remedy="none")
    assert error.message == str(error) == "it says \\x1b]0;pwned\\x07\nwell"

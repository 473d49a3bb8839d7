"""Whatever a contract, a node or a changed journal wrote, an answer is printable, finite and bounded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.assistant.answers import MAX_ANSWER_BYTES, MAX_TEXT_CHARS, answer, written
from keeper.domain.errors import BadInput
from tests.properties import examples

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.sampled_from(["name", "reason"]), VALUES))
@examples(60)
def test_an_answer_is_printable_and_finite(value: dict[str, object]) -> None:
    text = written(answer(value))
    assert text.isprintable()
    assert set(json.loads(text)) == set(value)


def test_what_moves_a_cursor_or_turns_the_text_around_is_written_out() -> None:
    checked = answer({"symbol": "WETH\x1b[2J\u202e\x9b", "lines": ["one\ntwo\r"]})
    assert checked == {"symbol": "WETH\\x1b[2J\\u202e\\x9b", "lines": ["one\ntwo\\r"]}


def test_a_long_text_is_cut() -> None:
    cut = answer({"reason": "x" * 1_000_000})["reason"]
    assert cut.startswith("x" * MAX_TEXT_CHARS + "… (998,000 more characters)")


def test_an_answer_that_is_too_large_is_an_error() -> None:
    with pytest.raises(BadInput, match=f"at most {MAX_ANSWER_BYTES:,}"):
        answer({"records": ["x" * 1_000] * 300})

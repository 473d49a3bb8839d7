"""What the guard of servers' JSON takes and refuses."""

from __future__ import annotations

import json
import time

import pytest

from keeper.runtime.json_text import MAX_BRACKETS, parsed_json

MANY = "[{" * MAX_BRACKETS


@pytest.mark.parametrize(
    "value",
    [MANY, f'"\\{MANY}', {"text": MANY, "others": [1.5, None, True]}, "ünï ∢ \U0001d7d8", []],
    ids=["text", "escapes", "in an object", "beyond ASCII", "empty"],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_brackets_inside_texts_do_not_count(value: object, ascii_only: bool) -> None:
    assert parsed_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (MAX_BRACKETS + 1),
        b'{"a":' * (MAX_BRACKETS + 1),
        b'["a \\" quotation mark", ' + b"[" * (MAX_BRACKETS + 1),
        ('"\u2222"' + "[" * 50_000).encode("utf-16"),
        b'"' + b'\\"' * 200_000 + b"[" * (MAX_BRACKETS + 1),
        b"NaN",
        b"-Infinity",
        b"\xff\xfe",
        b"",
        b"<html>",
    ],
    ids=lambda body: str(body[:12]),
)
def test_all_else_is_refused_at_once(body: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"."):
        parsed_json(body)
    assert time.monotonic() - began < 5.0

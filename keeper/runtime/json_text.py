"""JSON that a server sends. Every answer goes through this one guard before it is parsed."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_BRACKETS = 10_000
"""This bounds the nesting. RecursionError does not: web3's dependencies raise its limit above what the stack holds. The
largest honest answers have some thousands."""
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Linear also on a string that does not end."""


def parsed_json(body: bytes) -> Any:
    """Raises ValueError: it is no JSON in UTF-8, it has NaN or an infinity, or too many brackets. Those inside texts do
    not count, because anybody may write them there."""
    text = body.decode("utf-8-sig")  # in another encoding a quotation mark could hide in a character
    outside = _STRING.sub("", text) if body.count(b"[") + body.count(b"{") > MAX_BRACKETS else ""
    if outside.count("[") + outside.count("{") > MAX_BRACKETS:
        raise ValueError(f"more than {MAX_BRACKETS} brackets")
    try:
        return json.loads(text, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")

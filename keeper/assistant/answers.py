"""What every answer passes before it leaves: printable texts, finite numbers, a bounded size."""

from __future__ import annotations

import json
from typing import Any

from keeper.domain.errors import BadInput
from keeper.domain.remote_text import printable_lines
from keeper.views.view import finite

MAX_TEXT_CHARS = 2_000
MAX_ANSWER_BYTES = 250_000


def answer(value: dict[str, Any]) -> dict[str, Any]:
    """The same object, fit for an assistant. Raises BadInput where it is larger than MAX_ANSWER_BYTES."""
    checked: dict[str, Any] = finite(_printable(value))
    size = len(written(checked).encode())
    if size > MAX_ANSWER_BYTES:
        raise BadInput(
            f"the answer has {size:,} bytes; at most {MAX_ANSWER_BYTES:,} are given",
            remedy="Ask for fewer records, for longer periods, or for another record.",
        )
    return checked


def written(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _printable(value: Any) -> Any:
    """Contracts, nodes and a changed journal choose some texts, so no text may move a cursor or fill the screen."""
    if isinstance(value, str):
        text = printable_lines(value)
        left_out = len(text) - MAX_TEXT_CHARS
        return text if left_out <= 0 else f"{text[:MAX_TEXT_CHARS]}… ({left_out:,} more characters)"
    if isinstance(value, dict):
        return {key: _printable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(entry) for entry in value]
    return value

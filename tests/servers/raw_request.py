"""A JSON-RPC call whose result is left as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keeper.jsonrpc.requests import Request


def raw_request(method: str, params: Sequence[Any] = ()) -> Request[Any]:
    return Request(method, params, lambda answer: answer.value)

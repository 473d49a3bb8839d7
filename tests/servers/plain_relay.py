"""A relay that hides what it is sent from the public, and does not know ``eth_sendPrivateTransaction``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.servers.json_rpc import Answered, serving


class PlainRelay:
    """``asked``: every method, in order. Ordinary sends are passed on to ``upstream``."""

    def __init__(self, upstream: str, code: int, words: str) -> None:
        self.url = ""
        self.asked: list[str] = []
        self._upstream = upstream
        self._error = {"code": code, "message": words}
        self._http = httpx.Client(timeout=60.0, trust_env=False)

    def handle(self, call: Any) -> Answered:
        self.asked.append(call["method"])
        if call["method"] != "eth_sendRawTransaction":
            refused = {"jsonrpc": "2.0", "id": call["id"], "error": self._error}
            return Answered(json.dumps(refused).encode())
        return Answered(self._http.post(self._upstream, json=call).content)


@contextmanager
def plain_relay(upstream: str, code: int, words: str) -> Iterator[PlainRelay]:
    relay = PlainRelay(upstream, code, words)
    with serving(relay.handle) as relay.url:
        try:
            yield relay
        finally:
            relay._http.close()

"""One of several nodes, as the keeper sees it: everything is passed on, until it is told to misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.servers.dialects import Dialect
from tests.servers.json_rpc import Answered, Fault, due, serving, spoiled


class FaultyNode:
    """``asked``: every method, in order. ``dialect``: how it refuses and spells. ``freeze`` makes it go on telling the head that it has now."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.asked: list[str] = []
        self.faults: list[Fault] = []
        self.dialect = Dialect()
        self._frozen: Any = None
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=120.0, trust_env=False)

    def fault(self, method: str, how: str, count: int = -1, **more: Any) -> Fault:
        added = Fault(method, how, count, **more)
        with self._lock:
            self.faults.append(added)
        return added

    def freeze(self) -> None:
        asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["latest", False]}
        self._frozen = self._http.post(self.upstream, json=asked).json()["result"]

    def heal(self) -> None:
        with self._lock:
            for fault in self.faults:
                fault.released.set()
            self.faults.clear()
            self.asked.clear()
        self._frozen = None
        self.dialect = Dialect()

    def handle(self, body: Any) -> Answered:
        calls = body if isinstance(body, list) else [body]
        with self._lock:
            self.asked += [call["method"] for call in calls]
            fault = due(self.faults, calls)
        if fault is not None and fault.how == "hold":
            fault.released.wait(60)
            fault = None
        if fault is not None and fault.how in ("drop", "status"):
            return Answered(None if fault.how == "drop" else b"busy", fault.status)
        refused = self.dialect.refuses(calls, isinstance(body, list))
        if refused is not None:
            return refused
        replies = {reply["id"]: reply for reply in self._http.post(self.upstream, json=calls).json()}
        answers = [self.dialect.answers(call, replies[call["id"]]) for call in calls]
        for call, answer in zip(calls, answers, strict=True):
            if self._frozen is not None and call["method"] == "eth_getBlockByNumber":
                answer["result"] = self._frozen
        if fault is not None:
            return spoiled(fault, calls, answers)
        return Answered(json.dumps(answers if isinstance(body, list) else answers[0]).encode())


@contextmanager
def faulty_node(upstream: str) -> Iterator[FaultyNode]:
    node = FaultyNode(upstream)
    with serving(node.handle) as node.url:
        try:
            yield node
        finally:
            node.heal()
            node._http.close()

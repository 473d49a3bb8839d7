"""One of several nodes on a real socket, which answers honestly until one field of one answer is to be mutated."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.servers.geth_proxy import GethProxy
from tests.servers.json_rpc import Answered, serving
from tests.servers.mutations import Place, mutated


@dataclass(frozen=True)
class Mutation:
    """Of the answer to the call of ``method`` number ``occurrence`` (from 0). ``place`` begins at the whole JSON-RPC
    answer, with its id."""

    method: str
    occurrence: int
    place: Place
    kind: str
    variant: int

    def __str__(self) -> str:
        path = "".join(f"[{step}]" for step in self.place)
        return f"{self.kind} {self.variant} at {self.method} {self.occurrence}{path}"


class MutatingNode:
    """``answered``: every method with its honest answer, in order. ``mutation``: what to do, if anything. ``applied``:
    whether it was done."""

    def __init__(self, proxy: GethProxy, known: dict[str, Any]) -> None:
        self.url = ""
        self.answered: list[tuple[str, dict[str, Any]]] = []
        self.mutation: Mutation | None = None
        self.applied = False
        self._proxy = proxy
        self._known = known
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def reset(self, mutation: Mutation | None) -> None:
        with self._lock:
            self.answered.clear()
            self._counts.clear()
            self.mutation, self.applied = mutation, False

    def handle(self, body: Any) -> Answered:
        calls = body if isinstance(body, list) else [body]
        with self._lock:
            answers = [
                self._spoiled(call, answer) for call, answer in zip(calls, self._honest(calls), strict=True)
            ]
        return Answered(json.dumps(answers if isinstance(body, list) else answers[0]).encode())

    # ------------------------------------------------------------------ inside

    def _honest(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """From the chain, or from memory where the state is pinned by a hash and so can never differ."""
        keys = [_pinned(call) for call in calls]
        asked = [call for call, key in zip(calls, keys, strict=True) if key is None or key not in self._known]
        replies = iter(self._proxy.answers(asked) if asked else ())
        answers = []
        for call, key in zip(calls, keys, strict=True):
            answer = self._known[key] if key is not None and key in self._known else next(replies)
            if key is not None:
                self._known[key] = answer
            answers.append({**answer, "id": call["id"]})
        return answers

    def _spoiled(self, call: dict[str, Any], answer: dict[str, Any]) -> Any:
        method = call["method"]
        occurrence = self._counts.get(method, 0)
        self._counts[method] = occurrence + 1
        self.answered.append((method, answer))
        wanted = self.mutation
        if wanted is None or (method, occurrence) != (wanted.method, wanted.occurrence):
            return answer
        try:
            changed = mutated(answer, wanted.place, wanted.kind, wanted.variant)
        except (KeyError, IndexError, TypeError):  # the answer has not this field in this trial
            return answer
        self.applied = True
        return changed


def _pinned(call: dict[str, Any]) -> str | None:
    params = call.get("params", [])
    if any(isinstance(param, dict) and "blockHash" in param for param in params):
        return json.dumps([call["method"], params])
    return None


@contextmanager
def mutating_node(proxy: GethProxy, known: dict[str, Any]) -> Iterator[MutatingNode]:
    node = MutatingNode(proxy, known)
    with serving(node.handle) as node.url:
        yield node

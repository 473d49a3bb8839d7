"""Nodes without sockets that say what they are told to say, and a quorum of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from keeper.chain.rpc.circuit_breaker import CircuitBreaker
from keeper.chain.rpc.client import Rpc
from keeper.chain.rpc.endpoint import Endpoint
from keeper.chain.rpc.quorum import NodeQuorum
from keeper.jsonrpc import requests as ask

CHAIN = 1
READ = [ask.call({"to": "0xvault"}, {"blockHash": "0xb100"})]
ANSWERED = [b"\x01"]


def hash_of(branch: str, number: int) -> str:
    return f"0x{branch}{number:063d}"


TX_HASH = hash_of("a", 1)


@dataclass
class Told:
    """A node that says what it is told to say."""

    number: int = 100
    branch: str = "b"
    answer: Any = "0x01"
    chain: int = CHAIN
    down: bool = False
    error: tuple[int, str] | None = None
    silent: threading.Event | None = None
    gas: int = 100_000
    head: Any = "honest"
    padding: str = ""
    asked: list[str] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        payload = json.loads(request.content)
        calls = payload if isinstance(payload, list) else [payload]
        self.asked += [call["method"] for call in calls]
        if self.silent is not None:
            self.silent.wait(30)
        if self.down:
            raise httpx.ConnectError("refused")
        answers = [self._one(call) for call in calls]
        return httpx.Response(200, json=answers if isinstance(payload, list) else answers[0])

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        method, told = call["method"], {"jsonrpc": "2.0", "id": call["id"]}
        if method == "eth_chainId":
            return told | {"result": hex(self.chain)}
        if method == "eth_getBlockByNumber":
            asked = call["params"][0]
            if self.head != "honest":
                return told | {"result": self.head}
            number = self.number if asked == "latest" else int(asked, 16)
            return told | {"result": self._block(number) if number <= self.number else None}
        if method == "eth_estimateGas":
            return told | {"result": hex(self.gas)}
        if self.error is not None:
            return told | {"error": {"code": self.error[0], "message": self.error[1]}}
        return told | {"result": self.answer}

    def _block(self, number: int) -> dict[str, str]:
        return {
            "hash": hash_of(self.branch, number),
            "number": hex(number),
            "timestamp": hex(12 * number),
            "baseFeePerGas": f"0x{self.padding}7",
            "gasUsed": "0x0",
            "gasLimit": "0x1c9c380",
        }


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def nodes_of(told: Sequence[Told], quorum: int = 2, clock: Clock | None = None) -> NodeQuorum:
    clock = clock or Clock()
    return NodeQuorum(
        [
            Endpoint(
                Rpc(
                    f"http://node{place}/secretsecretsecret",
                    transport=httpx.MockTransport(one.handle),
                    attempts=1,
                ),
                CircuitBreaker(clock),
            )
            for place, one in enumerate(told)
        ],
        quorum,
        CHAIN,
    )

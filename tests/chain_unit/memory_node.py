"""A node without a socket: answers aggregate3 of getRoundData from tables, and counts."""

from __future__ import annotations

import json
from typing import Any

import httpx
from eth_abi.abi import decode, encode

from keeper.chain.abi import load
from keeper.chain.rpc.client import Rpc
from keeper.chain.rpc.multicall import Multicall
from keeper.domain.market import Block, Round

MULTICALL = "0xcA11bde05977b3631167028862bE2a173976CA11"
BLOCK = Block(
    chain_id=1,
    number=100,
    hash="0x" + "ab" * 32,
    timestamp=2_000_000_000,
    base_fee_wei=7,
    gas_limit=30_000_000,
)
ROUND = ("uint80", "int256", "uint256", "uint256", "uint80")


class MemoryNode:
    """``rounds`` by feed and round id. ``reverts``: how an unknown id is answered, else with zeros. ``max_calls``: what
    one eth_call has gas for."""

    def __init__(
        self, rounds: dict[str, dict[int, Round]], *, reverts: bool = True, max_calls: int = 10_000
    ) -> None:
        self.rounds = {feed.lower(): known for feed, known in rounds.items()}
        self.reverts = reverts
        self.max_calls = max_calls
        self.asked = 0
        self.sizes: list[int] = []
        self.rpc = Rpc("http://memory", transport=httpx.MockTransport(self._answer))
        self.multicall = Multicall(self.rpc, MULTICALL)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        payload = json.loads(request.content)
        if isinstance(payload, list):
            return httpx.Response(200, json=[self._single(call) for call in payload])
        return httpx.Response(200, json=self._single(payload))

    def _single(self, call: dict[str, Any]) -> dict[str, Any]:
        transaction, pinned = call["params"]
        assert call["method"] == "eth_call"
        assert transaction["to"] == MULTICALL
        assert pinned["blockHash"] == BLOCK.hash
        aggregate = load("Multicall3")["aggregate3"]
        data = bytes.fromhex(transaction["data"][2:])
        (calls,) = decode(aggregate.inputs, data[4:])
        self.sizes.append(len(calls))
        if len(calls) > self.max_calls:
            error = {"code": -32000, "message": "out of gas"}
            return {"jsonrpc": "2.0", "id": call["id"], "error": error}
        outcomes = [self._round(target, call_data) for target, _, call_data in calls]
        self.asked += len(outcomes)
        return {
            "jsonrpc": "2.0",
            "id": call["id"],
            "result": "0x" + encode(aggregate.outputs, [outcomes]).hex(),
        }

    def _round(self, feed: str, data: bytes) -> tuple[bool, bytes]:
        assert data[:4] == load("AggregatorV3")["getRoundData"].selector
        number = int.from_bytes(data[4:], "big")
        known = self.rounds[feed].get(number)
        if known is None:
            return (False, b"") if self.reverts else (True, encode(ROUND, [number, 0, 0, 0, 0]))
        return True, encode(ROUND, [number, known.answer, known.updated_at, known.updated_at, number])

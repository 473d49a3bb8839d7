"""Hardhat's node beside Anvil: a second implementation of the RPC, the mempool and mining, on the same state."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from keeper.devnet.anvil import free_port, rpc, serving_process
from keeper.devnet.paths import NODE_MODULES
from tests.servers.json_rpc import Answered, serving

CONFIG = Path(__file__).with_name("hardhat.config.cjs")
COMMAND_LINE = NODE_MODULES / "hardhat" / "internal" / "cli" / "bootstrap.js"
CALLS_AT_ONCE = 1_000
OF_THE_NETWORK = (
    "eth_blockNumber",
    "eth_getBlockByNumber",
    "eth_getTransactionByHash",
    "eth_sendRawTransaction",
)
"""What nodes tell each other: blocks and waiting transactions."""


@dataclass(frozen=True)
class HardhatNode:
    url: str

    def rpc(self, method: str, *params: object) -> Any:
        return rpc(self.url, method, *params)


@contextmanager
def hardhat(upstream: str) -> Iterator[HardhatNode]:
    """With the state of ``upstream``, an Anvil that is no fork, at its time. It mines each transaction that it takes in a
    block of its own."""
    port, head = free_port(), newest(upstream)
    with tempfile.TemporaryDirectory(prefix="keeper-hardhat-") as cache:
        environment = {
            **os.environ,
            "HARDHAT_CHAIN_ID": str(int(str(rpc(upstream, "eth_chainId")), 16)),
            "HARDHAT_DATE": datetime.fromtimestamp(int(head["timestamp"], 16) - 60, UTC).isoformat(),
            "HARDHAT_CACHE": cache,
            "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true",
        }
        command = ["node", str(COMMAND_LINE), "--config", str(CONFIG), "node", "--hostname", "127.0.0.1"]
        with serving_process(
            [*command, "--port", str(port)],
            port,
            "hardhat",
            folder=NODE_MODULES.parent,  # Hardhat runs only from a folder in which it is installed
            environment=environment,
        ):
            node = HardhatNode(f"http://127.0.0.1:{port}")
            _copy_state(upstream, node)
            _mine(node, head)
            yield node


def newest(url: str) -> dict[str, Any]:
    block: Any = rpc(url, "eth_getBlockByNumber", "latest", False)
    return dict(block)


def _copy_state(upstream: str, node: HardhatNode) -> None:
    dumped = gzip.decompress(bytes.fromhex(str(rpc(upstream, "anvil_dumpState"))[2:]))
    calls = list(_state(json.loads(dumped)["accounts"]))
    with httpx.Client(timeout=120.0, trust_env=False) as http:
        for start in range(0, len(calls), CALLS_AT_ONCE):
            some = calls[start : start + CALLS_AT_ONCE]
            envelopes = [
                {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
                for place, (method, params) in enumerate(some)
            ]
            answers = http.post(node.url, json=envelopes).json()
            assert not any("error" in answer for answer in answers), answers[0]


def _state(accounts: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for address, account in accounts.items():
        yield "hardhat_setBalance", [address, hex(int(account["balance"], 16))]
        if account["nonce"]:
            yield "hardhat_setNonce", [address, hex(account["nonce"])]
        if account["code"] != "0x":
            yield "hardhat_setCode", [address, account["code"]]
        for slot, value in account["storage"].items():
            yield "hardhat_setStorageAt", [address, hex(int(slot, 16)), f"0x{int(value, 16):064x}"]


def _mine(node: HardhatNode, block: Mapping[str, Any]) -> None:
    """A block at the time and the base fee of ``block``."""
    node.rpc("evm_setNextBlockTimestamp", int(block["timestamp"], 16))
    node.rpc("hardhat_setNextBlockBaseFeePerGas", block["baseFeePerGas"])
    node.rpc("evm_mine")


class Follower:
    """Hardhat as one node of several. It executes every block of the upstream itself, and answers from its own state.

    Only headers and waiting transactions come from the upstream, as they come from other nodes of a network: Hardhat's
    own blocks have other hashes. ``answered``: the methods that Hardhat answered.
    """

    def __init__(self, node: HardhatNode, upstream: str) -> None:
        self._node = node
        self._upstream = upstream
        self._last = int(newest(upstream)["number"], 16)
        self._offset = self._last - int(str(node.rpc("eth_blockNumber")), 16)
        self._hashes = {newest(upstream)["hash"]: self._last}
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=120.0, trust_env=False)
        self.answered: list[str] = []
        node.rpc("evm_setAutomine", False)

    def handle(self, body: Any) -> Answered:
        calls = body if isinstance(body, list) else [body]
        with self._lock:
            self._follow()
            answers = [self._answer(call) for call in calls]
        return Answered(json.dumps(answers if isinstance(body, list) else answers[0]).encode())

    def close(self) -> None:
        self._http.close()

    def _follow(self) -> None:
        while self._last < int(newest(self._upstream)["number"], 16):
            self._last += 1
            block: Any = rpc(self._upstream, "eth_getBlockByNumber", hex(self._last), False)
            for tx_hash in block["transactions"]:
                raw = rpc(self._upstream, "debug_getRawTransaction", tx_hash)
                self._node.rpc("eth_sendRawTransaction", raw)
            _mine(self._node, block)
            self._hashes[block["hash"]] = self._last

    def _answer(self, call: dict[str, Any]) -> Any:
        if call["method"] in OF_THE_NETWORK:
            return self._http.post(self._upstream, json=call).json()
        self.answered.append(call["method"])
        own = {**call, "params": [self._own(param) for param in call["params"]]}
        answer = self._http.post(self._node.url, json=own).json()
        if call["method"] == "eth_getTransactionReceipt" and answer.get("result"):
            number = int(answer["result"]["blockNumber"], 16) + self._offset
            block: Any = rpc(self._upstream, "eth_getBlockByNumber", hex(number), False)
            answer["result"] |= {"blockNumber": hex(number), "blockHash": block["hash"]}
        return answer

    def _own(self, param: Any) -> Any:
        """A block that is named by the upstream's hash, by Hardhat's number."""
        if isinstance(param, dict) and "blockHash" in param:
            return hex(self._hashes[param["blockHash"]] - self._offset)
        return param


@contextmanager
def following(node: HardhatNode, upstream: str) -> Iterator[tuple[str, Follower]]:
    """The address of ``node`` as a follower of ``upstream``."""
    follower = Follower(node, upstream)
    with serving(follower.handle) as url:
        try:
            yield url, follower
        finally:
            follower.close()

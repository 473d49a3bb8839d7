"""Many reads at one block hash in one eth_call, through Multicall3.aggregate3. Each read may fail alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keeper.chain.abi import DecodeError, load
from keeper.chain.calls import Answers, Call, CallResult, mapped
from keeper.chain.calls import call as plain
from keeper.chain.rpc.client import Reads, Request
from keeper.domain.errors import NodeUntrusted

MAX_CALLS = 1_000
"""Per eth_call: about 10 M gas of getRoundData, under every provider's cap."""

_ABI = load("Multicall3")


class Multicall:
    """Multicall3 at ``address``."""

    def __init__(self, rpc: Reads, address: str) -> None:
        self._rpc = rpc
        self.address = address

    def read(self, calls: Sequence[Call[Any]], block_hash: str) -> Answers:
        """All at one block, up to MAX_CALLS in one HTTP request. Raises NodeUnavailable, NodeUntrusted."""
        return self.read_many([calls], block_hash)[0]

    def read_many(self, groups: Sequence[Sequence[Call[Any]]], block_hash: str) -> list[Answers]:
        """One eth_call per group of at most MAX_CALLS, in one HTTP request if the node takes batches."""
        raw = self._rpc.batch([self.request(group, block_hash) for group in groups])
        return [decode_answers(group, answer) for group, answer in zip(groups, raw, strict=True)]

    def request(self, calls: Sequence[Call[Any]], block_hash: str) -> Request:
        """The eth_call itself, pinned by EIP-1898."""
        call = {"to": self.address, "data": "0x" + encode_calls(calls).hex()}
        return Request("eth_call", [call, {"blockHash": block_hash, "requireCanonical": True}])

    def block_timestamp(self) -> Call[int]:
        """The timestamp that contracts see."""
        return plain("multicall", self.address, _ABI["getCurrentBlockTimestamp"])

    def chain_id(self) -> Call[int]:
        """The chain id that contracts see."""
        return plain("multicall", self.address, _ABI["getChainId"])

    def native_balance(self, account: str) -> Call[int]:
        """Wei of an account."""
        return mapped("multicall", self.address, _ABI["getEthBalance"], int, account)


def encode_calls(calls: Sequence[Call[Any]]) -> bytes:
    """Calldata of aggregate3 with every call allowed to fail."""
    return _ABI["aggregate3"].encode([(call.target, True, call.data) for call in calls])


def decode_answers(calls: Sequence[Call[Any]], answer: object) -> Answers:
    """aggregate3's return data (0x-hex). Raises NodeUntrusted when it is not one outcome per call."""
    try:
        (results,) = _ABI["aggregate3"].decode(hex_bytes(answer))
    except DecodeError as error:
        raise _untrusted(str(error)) from error
    if len(results) != len(calls):
        raise _untrusted(f"{len(results)} outcomes for {len(calls)} calls")
    return Answers(calls, [CallResult(success, data) for success, data in results])


def hex_bytes(answer: object) -> bytes:
    """Bytes of 0x-hex. Raises NodeUntrusted for anything else."""
    if not isinstance(answer, str) or not answer.startswith("0x"):
        raise _untrusted(f"{answer!r:.60} is not 0x-hex")
    try:
        return bytes.fromhex(answer[2:])
    except ValueError as error:
        raise _untrusted(f"{answer:.60} is not 0x-hex") from error


def _untrusted(what: str) -> NodeUntrusted:
    return NodeUntrusted(
        f"the answer to a multicall cannot be decoded: {what}",
        remedy="Check KEEPER_MULTICALL and the node. Nothing was sent.",
    )

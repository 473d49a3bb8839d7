"""Many reads at one block hash in one eth_call, through Multicall3.aggregate3. Each read may fail alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from keeper.chain.abi import load
from keeper.chain.calls import Answers, Call, CallResult, mapped
from keeper.chain.calls import call as plain
from keeper.chain.rpc.client import Reads, Request
from keeper.domain.errors import NodeUntrusted

MAX_CALLS = 1_000
"""Per eth_call: about 10 M gas of getRoundData, under every provider's cap."""

_ABI = load("Multicall3")
_WORD = 32


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
    """Calldata of aggregate3 with every call allowed to fail.

    Encoded and decoded here, because a cold start asks for thousands and eth_abi is twenty times slower.
    """
    entries = [_entry(call) for call in calls]
    starts = accumulate((len(entry) for entry in entries[:-1]), initial=_WORD * len(entries))
    offsets = b"".join(map(_word, starts)) if entries else b""
    return b"".join([_ABI["aggregate3"].selector, _word(_WORD), _word(len(entries)), offsets, *entries])


def _entry(call: Call[Any]) -> bytes:
    """``(address target, bool allowFailure, bytes callData)``."""
    padding = bytes(-len(call.data) % _WORD)
    head = _word(int(call.target, 16)) + _word(1) + _word(3 * _WORD)
    return head + _word(len(call.data)) + call.data + padding


def decode_answers(calls: Sequence[Call[Any]], answer: object) -> Answers:
    """aggregate3's return data (0x-hex). Raises NodeUntrusted when it is not one outcome per call."""
    data = hex_bytes(answer)
    start = _word_at(data, 0)
    count, first = _word_at(data, start), start + _WORD
    if count != len(calls):
        raise _untrusted(f"{count} outcomes for {len(calls)} calls")
    entries = range(first, first + _WORD * count, _WORD)
    return Answers(calls, [_result(data, first + _word_at(data, entry)) for entry in entries])


def _result(data: bytes, at: int) -> CallResult:
    """``(bool success, bytes returnData)`` at an offset."""
    success, begin = _word_at(data, at), at + _word_at(data, at + _WORD)
    size = _word_at(data, begin)
    returned = data[begin + _WORD : begin + _WORD + size]
    if success > 1 or len(returned) != size:
        raise _untrusted(f"no outcome at byte {at} of {len(data)}")
    return CallResult(success == 1, returned)


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")


def _word_at(data: bytes, at: int) -> int:
    if at + _WORD > len(data):
        raise _untrusted(f"{len(data)} bytes end before byte {at + _WORD}")
    return int.from_bytes(data[at : at + _WORD], "big")


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

"""Many reads at one block hash in one eth_call, through Multicall3.aggregate3. Each read may fail alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from keeper.chain.abi import DecodeError, load
from keeper.chain.calls import Answers, Call, CallResult, mapped
from keeper.chain.calls import call as plain
from keeper.chain.rpc.reads import Reads
from keeper.domain.errors import RpcError, WrongContract
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.field import AnswerField
from keeper.jsonrpc.requests import Request

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
        results = self._rpc.batch([self.request(group, block_hash) for group in groups])
        return [self._answers(group, outcomes) for group, outcomes in zip(groups, results, strict=True)]

    def first_read(self, calls: Sequence[Call[Any]], block_hash: str) -> Answers:
        """As ``read``, of an address that may hold another contract. Raises WrongContract if it does."""
        try:
            data = self._rpc.request(ask.call(self._transaction(calls), _pinned(block_hash)))
            return self._answers(calls, decode_outcomes(len(calls), data))
        except RpcError as error:
            if "revert" not in error.text.lower():
                raise
            raise self._not_multicall() from error
        except DecodeError as error:
            raise self._not_multicall() from error

    def request_newest(self, calls: Sequence[Call[Any]]) -> Request[tuple[CallResult, ...]]:
        """The eth_call at whatever block is the node's newest."""
        return Request("eth_call", (self._transaction(calls), "latest"), partial(outcomes, len(calls)))

    def request(self, calls: Sequence[Call[Any]], block_hash: str) -> Request[tuple[CallResult, ...]]:
        """The eth_call itself, pinned by EIP-1898. A node that cannot run it whole is asked for parts of it."""

        def part(start: int, stop: int) -> Request[tuple[CallResult, ...]]:
            return self.request(calls[start:stop], block_hash)

        return Request(
            "eth_call",
            (self._transaction(calls), _pinned(block_hash)),
            partial(outcomes, len(calls)),
            items=len(calls),
            part=part,
        )

    def block_timestamp(self) -> Call[int]:
        """The timestamp that contracts see."""
        return plain("multicall", self.address, _ABI["getCurrentBlockTimestamp"])

    def chain_id(self) -> Call[int]:
        """The chain id that contracts see."""
        return plain("multicall", self.address, _ABI["getChainId"])

    def native_balance(self, account: str) -> Call[int]:
        """Wei of an account."""
        return mapped("multicall", self.address, _ABI["getEthBalance"], int, account)

    def _answers(self, calls: Sequence[Call[Any]], results: Sequence[CallResult]) -> Answers:
        return Answers(calls, results, f"eth_call of {self._rpc.endpoint}")

    def _transaction(self, calls: Sequence[Call[Any]]) -> dict[str, str]:
        return {"to": self.address, "data": "0x" + encode_calls(calls).hex()}

    def _not_multicall(self) -> WrongContract:
        return WrongContract(
            f"multicall: the contract at {self.address} is not Multicall3",
            remedy="Correct the multicall address in the settings.",
        )


def _pinned(block_hash: str) -> dict[str, Any]:
    return {"blockHash": block_hash, "requireCanonical": True}


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


def executed_by(
    account: str,
    calls: Sequence[Call[Any]],
    *,
    gas: int,
    block_hash: str,
    overrides: Mapping[str, Mapping[str, Any]],
) -> Request[tuple[CallResult, ...]]:
    """Many calls, and ``account`` is the caller of each: ``overrides`` put the code of Multicall3 there. A node that
    ignores them is one that refuses."""

    def parse(answer: AnswerField) -> tuple[CallResult, ...]:
        if not answer.data():
            raise RpcError(
                answer.method, 0, "the node ignores the state override", data=None, node=answer.node
            )
        return outcomes(len(calls), answer)

    transaction = {"to": account, "input": "0x" + encode_calls(calls).hex(), "gas": hex(gas)}
    return Request("eth_call", (transaction, {"blockHash": block_hash}, overrides), parse)


def outcomes(count: int, answer: AnswerField) -> tuple[CallResult, ...]:
    """The answer to aggregate3. Raises NodeUntrusted when it is not one outcome for each of ``count`` calls."""
    try:
        return decode_outcomes(count, answer.data())
    except DecodeError as error:
        raise answer.wrong(f"{count} outcomes of a multicall ({error})") from error


def decode_outcomes(count: int, data: bytes) -> tuple[CallResult, ...]:
    """aggregate3's return data. Raises DecodeError."""
    start = _word_at(data, 0)
    given, first = _word_at(data, start), start + _WORD
    if given != count:
        raise DecodeError(f"{given} outcomes for {count} calls")
    entries = range(first, first + _WORD * count, _WORD)
    return tuple(_result(data, first + _word_at(data, entry)) for entry in entries)


def _result(data: bytes, at: int) -> CallResult:
    """``(bool success, bytes returnData)`` at an offset."""
    success, begin = _word_at(data, at), at + _word_at(data, at + _WORD)
    size = _word_at(data, begin)
    returned = data[begin + _WORD : begin + _WORD + size]
    if success > 1 or len(returned) != size:
        raise DecodeError(f"no outcome at byte {at} of {len(data)}")
    return CallResult(success == 1, returned)


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")


def _word_at(data: bytes, at: int) -> int:
    if at + _WORD > len(data):
        raise DecodeError(f"{len(data)} bytes end before byte {at + _WORD}")
    return int.from_bytes(data[at : at + _WORD], "big")

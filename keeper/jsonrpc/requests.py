"""The JSON-RPC calls that the keeper makes, each with the parser of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from keeper.jsonrpc import answers
from keeper.jsonrpc.answers import FeeHistory, Header, Log, MinedReceipt, SimulatedCall
from keeper.jsonrpc.field import AnswerField

T = TypeVar("T")
BlockTag = str | Mapping[str, Any]
"""A tag, a height in hex, or an object by EIP-1898."""
GAS_ESTIMATE = "eth_estimateGas"


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One call. ``parse`` raises NodeUntrusted.

    ``optional``: the result is None if the node refuses. ``part``: of a request for many ``items``, the request for
    those from one place to another; the results of parts are tuples, and joined they are the result of the whole.
    """

    method: str
    params: Sequence[Any]
    parse: Callable[[AnswerField], T]
    optional: bool = False
    items: int = 1
    part: Callable[[int, int], Request[T]] | None = None


class Connection(Protocol):
    """One node. Reads raise RpcError, NodeUnavailable, NodeUntrusted; each message names method and node."""

    @property
    def endpoint(self) -> str:
        """The address of the node, without secrets."""
        ...

    def request(self, request: Request[T]) -> T:
        """The result of one read."""
        ...

    def batch(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """The results of many reads."""
        ...

    def send(self, request: Request[T]) -> T:
        """Sends once, without a second try. After NodeUnavailable the request may still have arrived."""
        ...


def if_supported(request: Request[T]) -> Request[T | None]:
    """The same request; its result is None if the node refuses it."""

    def parse(answer: AnswerField) -> T | None:
        return request.parse(answer)

    return Request(request.method, request.params, parse, optional=True)


def client_version() -> Request[str]:
    return Request("web3_clientVersion", (), AnswerField.text)


def chain_id() -> Request[int]:
    return Request("eth_chainId", (), AnswerField.integer)


def block(tag: str) -> Request[Header]:
    """The block of a tag that every node has, such as "latest"."""
    return Request("eth_getBlockByNumber", (tag, False), answers.header)


def tagged_block(tag: str) -> Request[Header | None]:
    """The block of a tag that a node may not have (yet), such as "finalized"; then None."""

    def parse(answer: AnswerField) -> Header | None:
        return None if answer.is_null else answers.header(answer)

    return Request("eth_getBlockByNumber", (tag, False), parse)


def numbered_block(number: int) -> Request[Header | None]:
    """None if the node does not have it."""

    def parse(answer: AnswerField) -> Header | None:
        if answer.is_null:
            return None
        header = answers.header(answer)
        if header.number != number:
            raise answer.field("number").wrong(f"the number asked for, {number}")
        return header

    return Request("eth_getBlockByNumber", (hex(number), False), parse)


def call(transaction: Mapping[str, str], tag: BlockTag, *overrides: Mapping[str, Any]) -> Request[bytes]:
    """The data that a call returns."""
    return Request("eth_call", (transaction, tag, *overrides), AnswerField.data)


def code(address: str, tag: BlockTag) -> Request[bytes]:
    """The contract at an address; empty if there is none."""
    return Request("eth_getCode", (address, tag), AnswerField.data)


def gas_estimate(transaction: Mapping[str, str], tag: BlockTag) -> Request[int]:
    return Request(GAS_ESTIMATE, (transaction, tag), AnswerField.integer)


def simulation(payload: Mapping[str, Any], tag: BlockTag, count: int) -> Request[tuple[SimulatedCall, ...]]:
    """eth_simulateV1 of one block with ``count`` calls."""

    def parse(answer: AnswerField) -> tuple[SimulatedCall, ...]:
        return answers.simulated_calls(answer, count)

    return Request("eth_simulateV1", (payload, tag), parse)


def logs(address: str, last_block: int) -> Request[tuple[Log, ...]]:
    """Every event of a contract up to a block, the oldest first. Many nodes refuse so many blocks."""
    where = {"address": address, "fromBlock": "0x0", "toBlock": hex(last_block)}
    return Request("eth_getLogs", (where,), answers.logs)


def balance(account: str) -> Request[int]:
    """Wei at the newest block."""
    return Request("eth_getBalance", (account, "latest"), AnswerField.wei)


def transaction_count(account: str, tag: str) -> Request[int]:
    """The account's next nonce."""
    return Request("eth_getTransactionCount", (account, tag), AnswerField.integer)


def receipt(tx_hash: str) -> Request[MinedReceipt | None]:
    """None while the transaction is not mined."""

    def parse(answer: AnswerField) -> MinedReceipt | None:
        if answer.is_null:
            return None
        _require_hash(answer.field("transactionHash"), tx_hash)
        return answers.receipt(answer)

    return Request("eth_getTransactionReceipt", (tx_hash,), parse)


def is_known(tx_hash: str) -> Request[bool]:
    """Whether the node has the transaction, mined or waiting."""

    def parse(answer: AnswerField) -> bool:
        if answer.is_null:
            return False
        _require_hash(answer.field("hash"), tx_hash)
        return True

    return Request("eth_getTransactionByHash", (tx_hash,), parse)


def fee_history(blocks: int, percentile: int) -> Request[FeeHistory]:
    return Request("eth_feeHistory", (hex(blocks), "latest", [percentile]), answers.fee_history)


def waiting_transactions(account: str) -> Request[Mapping[int, str] | None]:
    """Hash by nonce. None if the node does not report its mempool."""
    return if_supported(Request("txpool_contentFrom", (account,), answers.waiting_hashes))


def raw_transaction(raw: str) -> Request[str]:
    """Sends signed bytes; the result is their hash."""
    return Request("eth_sendRawTransaction", (raw,), AnswerField.hash)


def private_transaction(raw: str) -> Request[None]:
    """Flashbots' method. Relays answer in different ways, so the result is not read."""
    return Request("eth_sendPrivateTransaction", ({"tx": raw},), lambda _: None)


def _require_hash(answer: AnswerField, tx_hash: str) -> None:
    if answer.hash() != tx_hash.lower():
        raise answer.wrong(f"the hash asked for, {tx_hash}")

"""JSON-RPC to one node.

1. A read is tried again when its failure may pass by itself. A send is not: one without an answer may have arrived.
2. Requests that the node refuses for their size are halved. The node's limits are remembered.
3. Every answer is parsed here. What a parser refuses is never seen by the rest of the keeper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from tenacity import Retrying, nap, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from keeper.chain.rpc.http_node import HttpNode, RequestTooLargeError, TransientError
from keeper.domain.errors import KeeperError, NodeNotReady, RpcError
from keeper.domain.record import NodeUse
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.answers import Header
from keeper.jsonrpc.dialects import ReadRefusal, read_refusal
from keeper.jsonrpc.field import AnswerField
from keeper.jsonrpc.requests import Request

T = TypeVar("T")

TIMEOUT_S = 20.0
MAX_RESPONSE_BYTES = 32 * 1024 * 1024
ATTEMPTS = 3
UNLIMITED = 1_000_000
"""More than any request has."""


class Rpc:
    """One endpoint. Its URL may hold a secret and is always masked.

    ``timeout_s`` bounds a whole HTTP exchange, ``max_response_bytes`` its decoded body; ``pause``
    waits between attempts.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        attempts: int = ATTEMPTS,
        pause: Callable[[float], None] = nap.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = HttpNode(
            url, timeout_s=timeout_s, max_response_bytes=max_response_bytes, transport=transport
        )
        self.endpoint = self._http.endpoint
        self._attempts = attempts
        self._pause = pause
        self.quorum = 1
        self._ids = count(1)
        self._max_batch = UNLIMITED
        self._max_items = UNLIMITED

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @property
    def round_trips(self) -> int:
        return self._http.round_trips

    @property
    def bytes_received(self) -> int:
        return self._http.bytes_received

    @property
    def use(self) -> NodeUse:
        return NodeUse(self.endpoint, self.round_trips, self.bytes_received, note="")

    @property
    def uses(self) -> tuple[NodeUse, ...]:
        return (self.use,)

    @property
    def members(self) -> tuple[Rpc]:
        return (self,)

    def forget_notes(self) -> None:
        """Reads.forget_notes. Nothing is noted about the only node."""

    def head(self) -> tuple[int, Header]:
        """Reads.head, one round trip."""
        chain_id, head = self.batch([ask.chain_id(), ask.block("latest")])
        return chain_id, head

    def request(self, request: Request[T]) -> T:
        """The result of one read. Raises RpcError, NodeRefused, NodeNotReady, NodeUnavailable, NodeUntrusted."""
        result: T = self.batch([request])[0]
        return result

    def batch(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """The results of many reads, in as few HTTP requests as the node's limits allow. Raises as ``request``."""
        outcomes = self._outcomes(requests)
        for request, outcome in zip(requests, outcomes, strict=True):
            if isinstance(outcome, KeeperError) and not request.optional:
                raise outcome
        return [None if isinstance(outcome, KeeperError) else outcome for outcome in outcomes]

    def send(self, request: Request[T]) -> T:
        """Sends once, without a second try. After NodeUnavailable the request may still have arrived."""
        try:
            (outcome,) = self._exchanged([request], is_send=True)
        except (TransientError, RequestTooLargeError) as failure:
            raise failure.error from failure.__cause__
        if isinstance(outcome, RequestTooLargeError):
            raise outcome.error
        if isinstance(outcome, KeeperError):
            raise outcome
        result: T = outcome
        return result

    # --------------------------------------------------------- sizes and retries

    def _outcomes(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """A result, or the node's error, for each."""
        parts = [self._parts(request) for request in requests]
        outcomes = iter(self._in_batches([part for some in parts for part in some]))
        return [_joined([next(outcomes) for _ in some]) for some in parts]

    def _parts(self, request: Request[Any]) -> list[Request[Any]]:
        if request.part is None or request.items <= self._max_items:
            return [request]
        starts = range(0, request.items, self._max_items)
        return [request.part(start, min(start + self._max_items, request.items)) for start in starts]

    def _in_batches(self, requests: Sequence[Request[Any]]) -> list[Any]:
        outcomes: list[Any] = []
        while len(outcomes) < len(requests):
            some = requests[len(outcomes) :][: self._max_batch]
            try:
                answered = self._retrying(some)
            except RequestTooLargeError as refused:
                if len(some) > 1:
                    self._max_batch = len(some) // 2
                    continue
                answered = [refused]
            outcomes += [
                self._smaller(request, outcome, alone=len(some) == 1)
                for request, outcome in zip(some, answered, strict=True)
            ]
        return outcomes

    def _smaller(self, request: Request[Any], outcome: Any, *, alone: bool) -> Any:
        """The outcome, or that of smaller requests if the node refused this one for its size."""
        if not isinstance(outcome, RequestTooLargeError):
            return outcome
        if request.part is not None and request.items > 1:
            self._max_items = min(self._max_items, request.items // 2)
        elif alone:
            return outcome.error
        return self._outcomes([request])[0]

    def _retrying(self, requests: Sequence[Request[Any]]) -> list[Any]:
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=0.2, max=2.0),
            retry=retry_if_exception_type(TransientError),
            sleep=self._pause,
            reraise=True,
        )
        try:
            return retrying(self._exchanged, requests)
        except TransientError as transient:
            error = transient.error
            if isinstance(error, RpcError):
                # What should have passed is no result, so it must not count as one among several nodes.
                raise NodeNotReady(error.message, remedy=error.remedy) from transient
            raise error from transient

    # ------------------------------------------------------------ one exchange

    def _exchanged(self, requests: Sequence[Request[Any]], *, is_send: bool = False) -> list[Any]:
        """A result, RpcError or RequestTooLargeError for each. Raises as HttpNode.post."""
        envelopes = [self._envelope(request) for request in requests]
        what = _methods(requests)
        reads = sum(request.items for request in requests)
        answer = self._http.post(envelopes, what, reads=reads, is_send=is_send)
        replies = [answer] if len(requests) == 1 else self._in_order(requests, envelopes, answer)
        return [
            self._outcome(request, envelope["id"], reply)
            for request, envelope, reply in zip(requests, envelopes, replies, strict=True)
        ]

    def _envelope(self, request: Request[Any]) -> dict[str, Any]:
        return {
            "jsonrpc": "2.0",
            "id": next(self._ids),
            "method": request.method,
            "params": list(request.params),
        }

    def _in_order(
        self, requests: Sequence[Request[Any]], envelopes: Sequence[dict[str, Any]], answer: Any
    ) -> list[dict[str, Any]]:
        """The answers to a batch, in the order of the requests. Raises RequestTooLargeError if the node answers the
        whole batch with one error: smaller ones, and in the end single requests, show whether size was the reason."""
        what, replies = _methods(requests), answer if isinstance(answer, list) else [answer]
        if not all(isinstance(reply, dict) for reply in replies):
            raise self._http.untrusted(f"{what}: the answer to a batch is not a list of objects")
        by_id = {reply.get("id"): reply for reply in replies if isinstance(reply.get("id"), int)}
        if len(replies) == len(envelopes) and by_id.keys() == {envelope["id"] for envelope in envelopes}:
            return [by_id[envelope["id"]] for envelope in envelopes]
        if replies and all(reply.get("error") is not None for reply in replies):
            error = self._error(what, replies[0]["error"])
            self._refused(error, requests)  # raises if it may pass by itself
            raise RequestTooLargeError(error)
        raise self._http.untrusted(f"{what}: the answers to a batch do not have the ids of the requests")

    def _outcome(self, request: Request[Any], expected_id: int, reply: Any) -> Any:
        if not isinstance(reply, dict):
            raise self._http.untrusted(f"{request.method}: the answer is not a JSON object")
        refusal = reply.get("error")
        if reply.get("id") != expected_id and not (refusal is not None and reply.get("id") is None):
            raise self._http.untrusted(
                f"{request.method}: the answer has id {reply.get('id')!r:.40}, the request had {expected_id}"
            )
        if refusal is not None:
            return self._refused(self._error(request.method, refusal), [request])
        if "result" not in reply:
            raise self._http.untrusted(f"{request.method}: the answer has neither result nor error")
        return request.parse(AnswerField(reply["result"], request.method, self.endpoint))

    def _refused(self, error: RpcError, requests: Sequence[Request[Any]]) -> RpcError | RequestTooLargeError:
        """Raises TransientError for a refusal that may pass by itself."""
        meaning = read_refusal(error.code, error.text)
        if meaning is ReadRefusal.FINAL:
            return error
        if meaning is ReadRefusal.TOO_LARGE:
            return RequestTooLargeError(error)
        block = next(filter(None, map(_pinned_to, requests)), None)
        if meaning is ReadRefusal.UNKNOWN_BLOCK and block is not None:
            raise TransientError(self._without_block(error, block))
        raise TransientError(error)

    def _without_block(self, error: RpcError, block: str) -> NodeNotReady:
        return NodeNotReady(
            f"{error.method}: the node at {self.endpoint} does not have block {block}, though eth_getBlockByNumber "
            f"gave it: error {error.code}: {error.text}",
            remedy="If it lasts, the address leads to nodes that are not at the same block, or to one that gives wrong "
            "hashes. Set KEEPER_RPC_URL to another node.",
        )

    def _error(self, method: str, error: Any) -> RpcError:
        """An error object, or what some nodes answer in its place."""
        if not isinstance(error, dict):
            return RpcError(method, 0, f"{error!r:.200}", data=None, node=self.endpoint)
        code = error.get("code")
        return RpcError(
            method,
            code if isinstance(code, int) else 0,
            str(error.get("message", "")),
            data=error.get("data"),
            node=self.endpoint,
        )


def _joined(outcomes: Sequence[Any]) -> Any:
    """The result of the parts of one request, or the first error among them."""
    if len(outcomes) == 1:
        return outcomes[0]
    errors: Iterator[KeeperError] = (outcome for outcome in outcomes if isinstance(outcome, KeeperError))
    error = next(errors, None)
    return error if error is not None else tuple(item for outcome in outcomes for item in outcome)


def _pinned_to(request: Request[Any]) -> str | None:
    """The hash of the block at which it reads, by EIP-1898."""
    tags = (param for param in request.params if isinstance(param, dict))
    return next((tag["blockHash"] for tag in tags if "blockHash" in tag), None)


def _methods(requests: Sequence[Request[Any]]) -> str:
    """For messages: each method of the requests once."""
    return ", ".join(dict.fromkeys(request.method for request in requests))

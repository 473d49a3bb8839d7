"""JSON-RPC over HTTP. The node may be slow, wrong or unreachable.

Reads are tried again a few times. Sends are not: a send without an answer may have arrived.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx
from tenacity import Retrying, nap, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from keeper.domain.addresses import masked
from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.record import NodeUse
from keeper.runtime.deadline import DeadlineTransport, passed, within

Answer = TypeVar("Answer")

TIMEOUT_S = 20.0
MAX_RESPONSE_BYTES = 32 * 1024 * 1024
MAX_BRACKETS = 10_000  # This bounds the nesting. The largest honest answers have some hundreds.
ATTEMPTS = 3
TOO_MANY_REQUESTS = 429
LIMIT_EXCEEDED = -32005
NOT_THERE_YET = "header not found"  # geth: another node behind the same address has this block already

_TRY_LATER = "The keeper tries again next cycle. If it lasts, check the node and KEEPER_RPC_URL."
_DISTRUST = (
    "Do not trust this node until its operator explains the answer. Or set KEEPER_RPC_URL to another node."
)


@dataclass(frozen=True, slots=True)
class Request:
    """One JSON-RPC call."""

    method: str
    params: Sequence[Any] = ()


class Member(Protocol):
    """One node."""

    @property
    def use(self) -> NodeUse:
        """Requests and bytes so far."""
        ...

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """The result of one read. Raises RpcError, NodeUnavailable, NodeUntrusted."""
        ...

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """The results of many reads. Raises as ``request``."""
        ...

    def send(self, method: str, params: Sequence[Any]) -> Any:
        """Sends once, without a second try. After NodeUnavailable the request may still have arrived."""
        ...


class Reads(Protocol):
    """Reads from one node, or from several nodes that must agree."""

    @property
    def endpoint(self) -> str:
        """The address of the node, without secrets."""
        ...

    @property
    def round_trips(self) -> int:
        """HTTP requests made so far."""
        ...

    @property
    def quorum(self) -> int:
        """How many nodes must give the same answer."""
        ...

    @property
    def uses(self) -> tuple[NodeUse, ...]:
        """Requests and bytes of each node so far."""
        ...

    @property
    def members(self) -> Sequence[Member]:
        """The nodes, to be asked one by one."""
        ...

    def head(self) -> tuple[Any, Any]:
        """Results of eth_chainId and of eth_getBlockByNumber for the newest block."""
        ...

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """The result of one read. Raises RpcError, NodeUnavailable, NodeUntrusted."""
        ...

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """The results of many reads. Raises as ``request``."""
        ...


class Rpc:
    """One endpoint. It counts HTTP requests and response bytes. Its URL may hold a secret and is always masked.

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
        self._url = url
        self.endpoint = masked(url)
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._attempts = attempts
        self._pause = pause
        self.quorum = 1
        self._ids = count(1)
        self._accepts_batches = True
        self.round_trips = 0
        self.bytes_received = 0
        # trust_env: a proxy or netrc of this machine must not redirect requests.
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s),
            trust_env=False,
            headers={"content-type": "application/json"},
            transport=transport or DeadlineTransport(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @property
    def use(self) -> NodeUse:
        return NodeUse(self.endpoint, self.round_trips, self.bytes_received, note="")

    @property
    def uses(self) -> tuple[NodeUse, ...]:
        return (self.use,)

    @property
    def members(self) -> tuple[Rpc]:
        return (self,)

    def head(self) -> tuple[Any, Any]:
        """Reads.head, one round trip."""
        chain_id_answer, head = self.batch(
            [Request("eth_chainId"), Request("eth_getBlockByNumber", ["latest", False])]
        )
        return chain_id_answer, head

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """The result of one read. Raises RpcError, NodeUnavailable, NodeUntrusted."""
        return self._retrying(lambda: self._single(Request(method, params)))

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """The results of many reads, in one HTTP request if the node takes batches. Raises as ``request``."""
        if len(requests) > 1 and self._accepts_batches:
            answers = self._retrying(lambda: self._batched(requests))
            if answers is not None:
                return answers
            self._accepts_batches = False
        return [self.request(request.method, request.params) for request in requests]

    def send(self, method: str, params: Sequence[Any]) -> Any:
        """Sends once, without a second try. After NodeUnavailable the request may still have arrived."""
        return self._single_once(Request(method, params))

    # ------------------------------------------------------------------ inside

    def _retrying(self, attempt: Callable[[], Answer]) -> Answer:
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=0.2, max=2.0),
            retry=retry_if_exception_type(_TransientError),
            sleep=self._pause,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _TransientError as transient:
            raise transient.error from transient.__cause__

    def _single_once(self, request: Request) -> Any:
        try:
            return self._single(request)
        except _TransientError as transient:
            raise transient.error from transient.__cause__

    def _single(self, request: Request) -> Any:
        call = self._envelope(request)
        answer = self._exchange(call)
        if not isinstance(answer, dict):
            raise self._untrusted(f"{request.method}: the answer is not a JSON object")
        return self._result(request.method, call["id"], answer)

    def _batched(self, requests: Sequence[Request]) -> list[Any] | None:
        """None when the node does not take batches."""
        calls = [self._envelope(request) for request in requests]
        answers = self._exchange(calls)
        if isinstance(answers, dict) and "error" in answers:
            return None
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise self._untrusted("the answer to a batch is not a list of objects")
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer.get("id"), int)}
        if len(answers) != len(calls) or by_id.keys() != {call["id"] for call in calls}:
            raise self._untrusted("the answers to a batch do not have the ids of the requests")
        return [
            self._result(request.method, call["id"], by_id[call["id"]])
            for request, call in zip(requests, calls, strict=True)
        ]

    def _envelope(self, request: Request) -> dict[str, Any]:
        return {
            "jsonrpc": "2.0",
            "id": next(self._ids),
            "method": request.method,
            "params": list(request.params),
        }

    def _result(self, method: str, expected_id: int, answer: dict[str, Any]) -> Any:
        error = answer.get("error")
        if answer.get("id") != expected_id and not (error is not None and answer.get("id") is None):
            raise self._untrusted(
                f"{method}: the answer has id {answer.get('id')!r:.40}, the request had {expected_id}"
            )
        if error is not None:
            rpc_error = _rpc_error(method, error)
            if rpc_error.code == LIMIT_EXCEEDED or NOT_THERE_YET in rpc_error.text.lower():
                raise _TransientError(rpc_error)
            raise rpc_error
        if "result" not in answer:
            raise self._untrusted(f"{method}: the answer has neither result nor error")
        return answer["result"]

    def _exchange(self, payload: object) -> Any:
        """One HTTP request. Raises _TransientError for failures that may pass by themselves."""
        self.round_trips += 1
        try:
            with (
                within(self._timeout_s),
                self._http.stream("POST", self._url, content=json.dumps(payload)) as response,
            ):
                body = self._read(response)
        except httpx.HTTPError as error:
            raise _TransientError(
                NodeUnavailable(
                    f"no answer from the node at {self.endpoint} ({_reason(error)})", remedy=_TRY_LATER
                )
            ) from error
        except httpx.InvalidURL as error:
            raise NodeUnavailable(
                f"the node's address {self.endpoint} is not a URL", remedy="Correct KEEPER_RPC_URL."
            ) from error
        return self._parsed(response.status_code, body)

    def _read(self, response: httpx.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            self.bytes_received += len(chunk)
            if size > self._max_response_bytes:
                raise self._untrusted(f"an answer is larger than {self._max_response_bytes} bytes")
            if passed():
                raise httpx.ReadTimeout(f"not finished after {self._timeout_s:g} s")
        return b"".join(chunks)

    def _parsed(self, status: int, body: bytes) -> Any:
        if status == TOO_MANY_REQUESTS or status >= 500:
            raise _TransientError(
                NodeUnavailable(
                    f"the node at {self.endpoint} answers HTTP {status}",
                    remedy="The provider limits requests or fails. Run less often, or use another endpoint.",
                )
            )
        try:
            answer = _parsed_json(body)
        except (ValueError, RecursionError) as error:
            if status >= 300:
                raise NodeUnavailable(
                    f"the node at {self.endpoint} answers HTTP {status}",
                    remedy="Check KEEPER_RPC_URL and the key in it.",
                ) from error
            raise self._untrusted("the answer is not JSON") from error
        if status >= 300 and not (isinstance(answer, dict) and isinstance(answer.get("error"), dict)):
            raise NodeUnavailable(
                f"the node at {self.endpoint} answers HTTP {status}",
                remedy="Check KEEPER_RPC_URL and the key in it.",
            )
        return answer

    def _untrusted(self, what: str) -> NodeUntrusted:
        return NodeUntrusted(f"node at {self.endpoint}: {what}", remedy=_DISTRUST)


class _TransientError(Exception):
    """A failure that may pass by itself. ``error`` is raised when no attempt is left."""

    def __init__(self, error: NodeUnavailable) -> None:
        super().__init__(error.message)
        self.error = error


def _rpc_error(method: str, error: object) -> RpcError:
    if not isinstance(error, dict):
        return RpcError(method, 0, f"{error!r:.200}", data=None)
    code = error.get("code")
    return RpcError(
        method,
        code if isinstance(code, int) else 0,
        str(error.get("message", "")),
        data=error.get("data"),
    )


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "timed out"
    if isinstance(error, httpx.ConnectError):
        return "cannot connect"
    return type(error).__name__


def _parsed_json(body: bytes) -> Any:
    # RecursionError does not protect: web3's dependencies raise its limit above what the stack can hold.
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise ValueError(f"more than {MAX_BRACKETS} brackets")
    return json.loads(body, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")

"""JSON over HTTP to one node. The node may be slow, wrong or unreachable; each failure has a type."""

from __future__ import annotations

import json
from typing import Any

import httpx

from keeper.domain.addresses import masked
from keeper.domain.errors import KeeperError, NodeRefused, NodeUnavailable, NodeUntrusted
from keeper.jsonrpc.dialects import ReadRefusal, read_refusal
from keeper.runtime.deadline import DeadlineTransport, passed, within

MAX_BRACKETS = 10_000  # This bounds the nesting. The largest honest answers have some hundreds.
TOO_MANY_REQUESTS = 429
CONTENT_TOO_LARGE = 413

_TRY_LATER = "The keeper tries again next cycle. If it lasts, check the node and KEEPER_RPC_URL."
_DISTRUST = (
    "Do not trust this node until its operator explains the answer. Or set KEEPER_RPC_URL to another node."
)


class TransientError(Exception):
    """A failure that may pass by itself. ``error`` is raised when no attempt is left."""

    def __init__(self, error: NodeUnavailable) -> None:
        super().__init__(error.message)
        self.error = error


class RequestTooLargeError(Exception):
    """The node refuses the request for its size. ``error`` is raised if it cannot be made smaller."""

    def __init__(self, error: KeeperError) -> None:
        super().__init__(error.message)
        self.error = error


class HttpNode:
    """Counts requests and response bytes. Its URL may hold a secret and is always masked.

    ``timeout_s`` bounds a whole HTTP exchange, ``max_response_bytes`` its decoded body.
    """

    def __init__(
        self, url: str, *, timeout_s: float, max_response_bytes: int, transport: httpx.BaseTransport | None
    ) -> None:
        self._url = url
        self.endpoint = masked(url)
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self.round_trips = 0
        self.bytes_received = 0
        # trust_env: a proxy or netrc of this machine must not redirect requests.
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s),
            trust_env=False,
            headers={"content-type": "application/json"},
            transport=transport or DeadlineTransport(),
        )

    def close(self) -> None:
        self._http.close()

    def post(self, payload: object, what: str) -> Any:
        """One HTTP request; its JSON. ``what`` names the methods in errors.

        Raises TransientError, RequestTooLargeError, NodeUnavailable, NodeRefused, NodeUntrusted.
        """
        self.round_trips += 1
        try:
            with (
                within(self._timeout_s),
                self._http.stream("POST", self._url, content=json.dumps(payload)) as response,
            ):
                body = self._read(response, what)
        except httpx.HTTPError as error:
            raise TransientError(
                NodeUnavailable(
                    f"{what}: no answer from the node at {self.endpoint} ({_reason(error)})",
                    remedy=_TRY_LATER,
                )
            ) from error
        except httpx.InvalidURL as error:
            raise NodeUnavailable(
                f"the node's address {self.endpoint} is not a URL", remedy="Correct KEEPER_RPC_URL."
            ) from error
        return self._parsed(response.status_code, body, what)

    def untrusted(self, what: str) -> NodeUntrusted:
        return NodeUntrusted(f"{what} (node {self.endpoint})", remedy=_DISTRUST)

    # ------------------------------------------------------------------ inside

    def _read(self, response: httpx.Response, what: str) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            self.bytes_received += len(chunk)
            if size > self._max_response_bytes:
                raise self.untrusted(f"{what}: the answer is larger than {self._max_response_bytes} bytes")
            if passed():
                raise httpx.ReadTimeout(f"not finished after {self._timeout_s:g} s")
        return b"".join(chunks)

    def _parsed(self, status: int, body: bytes, what: str) -> Any:
        try:
            answer = _parsed_json(body)
        except (ValueError, RecursionError) as error:
            if status >= 300:
                raise self._refused(status, "", what) from error
            raise self.untrusted(f"{what}: the answer is not JSON") from error
        text = _error_text(answer)
        if status in (TOO_MANY_REQUESTS, CONTENT_TOO_LARGE) or status >= 500:
            raise self._refused(status, text, what)
        if status >= 300 and not text:
            raise self._refused(status, text, what)
        return answer

    def _refused(self, status: int, text: str, what: str) -> Exception:
        """HTTP ``status`` with what the node says about it."""
        message = f"{what}: the node at {self.endpoint} answers HTTP {status}" + (f": {text}" if text else "")
        if status == CONTENT_TOO_LARGE or read_refusal(0, text) is ReadRefusal.TOO_LARGE:
            return RequestTooLargeError(
                NodeUnavailable(
                    message, remedy="Raise the node's limit on the size of requests, or use another."
                )
            )
        if status == TOO_MANY_REQUESTS or status >= 500:
            return TransientError(
                NodeUnavailable(
                    message,
                    remedy="The provider limits requests or fails. Run less often, or use another endpoint.",
                )
            )
        return NodeRefused(message, remedy="Check KEEPER_RPC_URL and the key in it.")


def _error_text(answer: Any) -> str:
    """The message of a JSON-RPC error; empty if there is none."""
    first = answer[0] if isinstance(answer, list) and answer else answer
    error = first.get("error") if isinstance(first, dict) else None
    return str(error.get("message", "no message"))[:200] if isinstance(error, dict) else ""


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

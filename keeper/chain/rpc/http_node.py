"""JSON over HTTP to one node. The node may be slow, wrong or unreachable; each failure has a type."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx

from keeper.domain.addresses import masked
from keeper.domain.errors import (
    KeeperError,
    NodeHangs,
    NodeNotReady,
    NodeRefused,
    NodeUnavailable,
    NodeUntrusted,
)
from keeper.jsonrpc.dialects import ReadRefusal, read_refusal
from keeper.runtime.deadline import (
    DeadlineTransport,
    ServerHangsError,
    passed,
    unwatched,
    watching,
    within,
    work_is_late,
)
from keeper.runtime.json_text import parsed_json

CONNECT_S = 5.0
SILENCE_S = 2.0
WORK_S = 5.0
READ_S = 0.0015
"""After so long without a byte the node is asked for its chain id, and has SILENCE_S to answer that: SILENCE_S after
small questions, and WORK_S after those for which it has to work, with READ_S more for each read of a multicall. Some
nodes do one thing at a time."""
SMALL = frozenset(("eth_chainId", "eth_getBlockByNumber", "web3_clientVersion"))
REST_S = 5.0
"""After a node was found to hang, reads fail at once for so long. A send is tried all the same."""
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
        self._rests_until = 0.0
        # trust_env: a proxy or netrc of this machine must not redirect requests.
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S)),
            trust_env=False,
            headers={"content-type": "application/json"},
            transport=transport or DeadlineTransport(),
        )

    def close(self) -> None:
        self._http.close()

    def post(self, payload: list[dict[str, Any]], what: str, *, reads: int = 1, is_send: bool = False) -> Any:
        """One HTTP request with one call, or a batch of several; its JSON. ``what`` names the methods in errors.
        ``reads``: of contracts, in all multicalls.

        Raises NodeHangs, TransientError, RequestTooLargeError, NodeUnavailable, NodeRefused, NodeUntrusted.
        """
        if time.monotonic() < self._rests_until and not is_send:
            raise self._hangs(what, SILENCE_S)
        self.round_trips += 1
        small = SMALL.issuperset(call["method"] for call in payload)
        patience_s = SILENCE_S if small else WORK_S + READ_S * reads
        content = json.dumps(payload if len(payload) > 1 else payload[0])
        try:
            with (
                within(self._timeout_s),
                watching(patience_s, self._alive),
                self._http.stream("POST", self._url, content=content) as response,
            ):
                body = self._read(response, what)
        except ServerHangsError as error:
            self._rests_until = time.monotonic() + REST_S
            raise self._hangs(what, patience_s) from error
        except httpx.TimeoutException as error:
            # Whoever was silent for so long is not asked at once for the same again.
            late = "the deadline of the whole work passed" if work_is_late() else "timed out"
            raise self._no_answer(what, late) from error
        except httpx.HTTPError as error:
            raise TransientError(self._no_answer(what, _reason(error))) from error
        except httpx.InvalidURL as error:
            raise NodeUnavailable(
                f"the node's address {self.endpoint} is not a URL", remedy="Correct KEEPER_RPC_URL."
            ) from error
        return self._parsed(response.status_code, body, what)

    def untrusted(self, what: str) -> NodeUntrusted:
        return NodeUntrusted(f"{what} (node {self.endpoint})", remedy=_DISTRUST)

    # ------------------------------------------------------------------ inside

    def _alive(self) -> bool:
        """Whether the node says anything to the smallest question, on a connection of its own."""
        asked = {"jsonrpc": "2.0", "id": 0, "method": "eth_chainId", "params": []}
        try:
            with unwatched(), within(SILENCE_S):
                self._http.post(self._url, content=json.dumps(asked))
        except httpx.HTTPError:
            return False
        return True

    def _hangs(self, what: str, patience_s: float) -> NodeHangs:
        return NodeHangs(
            f"{what}: the node at {self.endpoint} hangs. It takes connections, was silent for {patience_s:.0f} s, and "
            f"did not even tell its chain id in another {SILENCE_S:g} s",
            remedy="Restart the node, or set KEEPER_RPC_URL to another one.",
        )

    def _no_answer(self, what: str, why: str) -> NodeUnavailable:
        return NodeUnavailable(
            f"{what}: no answer from the node at {self.endpoint} ({why})", remedy=_TRY_LATER
        )

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
            answer = parsed_json(body)
        except ValueError as error:
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
                NodeNotReady(
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
    if isinstance(error, httpx.ConnectError):
        return "cannot connect"
    return type(error).__name__

"""JSON-RPC on a real socket, and the ways in which it can go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HUGE = 40 * 1024 * 1024
"""Bytes of an answer, twice over in hexadecimal: more than the keeper reads."""


class RpcFault(Exception):
    """Answered as a JSON-RPC error."""

    def __init__(self, text: str, code: int = -32000) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class Fault:
    """One way to misbehave for calls of ``method`` ("*": all), ``count`` times (negative: for ever).

    ``how``: "drop" (hang up before it has any effect), "drop_reply" (hang up afterwards), "null" (result null),
    "status" (HTTP ``status``), "error" (``code`` and ``text``), "garbage", "truncated", "wrong_id", "huge" (more than
    anybody should read), "lie" (the result after ``change``), "hold" (wait until ``released``)."""

    method: str
    how: str
    count: int = 1
    status: int = 503
    code: int = -32000
    text: str = ""
    change: Callable[[Any], Any] = lambda result: result
    released: threading.Event = field(default_factory=threading.Event)


@dataclass
class Answered:
    """What goes back over the wire; None hangs up."""

    body: bytes | None
    status: int = 200


def due(faults: Sequence[Fault], calls: Sequence[dict[str, Any]]) -> Fault | None:
    """The first fault that is left for one of the calls, used up by one."""
    for fault in faults:
        if fault.count != 0 and any(fault.method in ("*", call["method"]) for call in calls):
            fault.count -= 1
            return fault
    return None


def spoiled(fault: Fault, calls: Sequence[dict[str, Any]], answers: list[dict[str, Any]]) -> Answered:
    for call, answer in zip(calls, answers, strict=True):
        if fault.method not in ("*", call["method"]):
            continue
        if fault.how == "null":
            answer["result"] = None
        elif fault.how == "error":
            answer.pop("result", None)
            answer["error"] = {"code": fault.code, "message": fault.text}
        elif fault.how == "lie" and "result" in answer:
            answer["result"] = fault.change(answer["result"])
        elif fault.how == "wrong_id":
            answer["id"] = 10**9
    body = json.dumps(answers if len(calls) > 1 else answers[0]).encode()
    if fault.how == "drop_reply":
        return Answered(None)
    if fault.how == "huge":
        return Answered(b'{"jsonrpc": "2.0", "id": 1, "result": "0x' + b"00" * HUGE + b'"}')
    if fault.how == "garbage":
        return Answered(b"<html>bad gateway</html>")
    return Answered(body[: len(body) // 2] if fault.how == "truncated" else body)


@contextmanager
def serving(handle: Callable[[Any], Answered]) -> Iterator[str]:
    """The address at which ``handle`` answers POSTed JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in one packet: apart, the second waits 40 ms for the first one's acknowledgement.
        wbufsize = 65_536
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            answered = handle(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            if answered.body is None:
                self.close_connection = True
                return
            self.send_response(answered.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answered.body)))
            self.end_headers()
            self.wfile.write(answered.body)

        def log_message(self, *_: Any) -> None:
            """Silent."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, BrokenPipeError):
                self.close_connection = True  # the client was killed

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""An HTTP proxy on a real socket in front of a server of JSON (GET only) that can misbehave in all the ways the net does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

LONGEST_DELAY_S = 60.0


@dataclass
class HttpFault:
    """One way to misbehave for requests whose path and query contain ``path``, ``count`` times (negative: for ever).

    ``how``: "delay" (answer only when ``released``), "drop" (hang up before asking the server), "truncate" (half of
    the body that the header promises), "garble" (not JSON), "trickle" and "trickle_headers" (body or headers byte by byte, without an end),
    "status" (``status``, ``headers`` and ``body`` instead of the server's), "lie" (the server's JSON after ``change``)."""

    how: str
    path: str = ""
    count: int = 1
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"message": "busy"}'
    change: Callable[[Any], Any] = lambda answer: answer
    released: threading.Event = field(default_factory=threading.Event)


@dataclass
class Answered:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpFaults:
    """``asked``: path and query of every request, in order. ``url`` is what to point a client to."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.asked: list[str] = []
        self.faults: list[HttpFault] = []
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=LONGEST_DELAY_S, trust_env=False)

    # ------------------------------------------------------------ for the test

    def fault(self, how: str, path: str = "", count: int = 1, **more: Any) -> HttpFault:
        added = HttpFault(how, path, count, **more)
        with self._lock:
            self.faults.append(added)
        return added

    def rate_limit(
        self, times: int, retry_after: str | None = None, path: str = "", status: int = 429
    ) -> HttpFault:
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return self.fault(
            "status", path, times, status=status, headers=headers, body=b'{"message": "slow down"}'
        )

    def lie(self, change: Callable[[Any], Any], path: str = "", count: int = -1) -> HttpFault:
        return self.fault("lie", path, count, change=change)

    def heal(self) -> None:
        """No more faults; whoever is held goes on."""
        with self._lock:
            for fault in self.faults:
                fault.released.set()
            self.faults.clear()

    # ----------------------------------------------------------- what is asked

    def fault_for(self, path: str) -> HttpFault | None:
        with self._lock:
            self.asked.append(path)
            for fault in self.faults:
                if fault.count != 0 and fault.path in path:
                    fault.count -= 1
                    return fault
        return None

    def answer(self, path: str, fault: HttpFault | None) -> Answered:
        if fault is not None and fault.how == "status":
            return Answered(fault.status, fault.body, fault.headers)
        found = self._http.get(self.upstream + path)
        body = found.content
        if fault is not None and fault.how == "garble":
            body = b"<html>" + body[6:]
        elif fault is not None and fault.how == "lie":
            body = json.dumps(fault.change(json.loads(body))).encode()
        return Answered(found.status_code, body)

    def end(self) -> None:
        self.heal()
        self._http.close()


@contextmanager
def http_faults(upstream: str) -> Iterator[HttpFaults]:
    proxy = HttpFaults(upstream.rstrip("/"))

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    handler = type("Handler", (_Handler,), {"proxy": proxy})
    server = Server(("127.0.0.1", 0), handler)
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        proxy.end()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: HttpFaults

    def do_GET(self) -> None:
        fault = self.proxy.fault_for(self.path)
        how = "" if fault is None else fault.how
        if fault is not None and how == "delay":
            fault.released.wait(LONGEST_DELAY_S)
        if how == "drop":
            self.close_connection = True
        elif fault is not None and how in ("trickle", "trickle_headers"):
            self._trickle(fault)
        else:
            self._send(self.proxy.answer(self.path, fault), truncated=how == "truncate")

    def _send(self, answered: Answered, truncated: bool) -> None:
        self.send_response(answered.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answered.body)))
        for name, value in answered.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if truncated:
            self.wfile.write(answered.body[: len(answered.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answered.body)

    def _trickle(self, fault: HttpFault) -> None:
        self.close_connection = True
        begin = b"x-slow: " if fault.how == "trickle_headers" else b"content-length: 1000000\r\n\r\n"
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + begin)
        while not fault.released.wait(0.02):
            self.wfile.write(b".")

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, BrokenPipeError):
            self.close_connection = True  # the client did not wait

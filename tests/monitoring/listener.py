"""A channel and a dead man's switch on a real socket of this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "channel-token-canary"


@dataclass
class Listener:
    """``messages`` are the bodies that came, ``pings`` the paths that were asked. While ``held`` is set, answers wait
    for ``released``; ``status`` is what it answers."""

    port: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    pings: list[str] = field(default_factory=list)
    status: int = 200
    held: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    came: threading.Condition = field(default_factory=threading.Condition)

    @property
    def alert_url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}"

    @property
    def ping_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    def kinds(self) -> list[str]:
        """Of each message: its kind, as the title says it."""
        return [message["title"].split()[2].rstrip(":") for message in self.messages]

    def wait_for(self, messages: int = 0, pings: int = 0, within_s: float = 60.0) -> bool:
        """Whether as many came in time."""
        with self.came:
            return self.came.wait_for(
                lambda: len(self.messages) >= messages and len(self.pings) >= pings, timeout=within_s
            )


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(listener))
    server.daemon_threads = True
    listener.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._came(message=json.loads(body) | {"came_at": time.monotonic()})

        def do_GET(self) -> None:
            self._came(ping=self.path)

        def _came(self, message: dict[str, Any] | None = None, ping: str | None = None) -> None:
            if listener.held:
                listener.released.wait(60.0)
            with listener.came:
                if message is not None:
                    listener.messages.append(message)
                if ping is not None:
                    listener.pings.append(ping)
                listener.came.notify_all()
            self.send_response(listener.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    return Handler

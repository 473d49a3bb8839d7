"""A JSON service on loopback, in a thread of this process: what the devnet's stand-ins for public services answer
through."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[str, dict[str, str]], tuple[int, Any]]
"""Of a path, and its query with the last value of each name: status and body."""


@contextmanager
def answering(answer: Answer, name: str, port: int = 0) -> Iterator[str]:
    """Answers GET until the block is left; yields the base URL, without a trailing slash. Port 0: any free one."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(answer))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name=name, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in one packet: apart, the second waits 40 ms for the first one's acknowledgement.
        wbufsize = 65_536
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            params = {name: values[-1] for name, values in parse_qs(url.query).items()}
            status, body = answer(url.path, params)
            payload = json.dumps(body, separators=(",", ":")).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            """Quiet: the devnet's screen is not an access log."""

    return Handler

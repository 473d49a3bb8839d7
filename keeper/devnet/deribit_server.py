"""Deribit's public HTTP API on loopback, in a thread of this process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from keeper.devnet.deribit_market import Clock, DeribitMarket, Json, RpcError, Spot, method_not_found
from keeper.devnet.history import MarketHistory

PREFIX = "/api/v2/"


@contextmanager
def deribit_server(
    history: MarketHistory, now: Clock, spot: Spot | None = None, port: int = 0
) -> Iterator[str]:
    """Serve the history's volatility until the block is left; yields the base URL, without a trailing slash.

    ``now`` is the chain's time in seconds; ``spot`` a symbol's price in USD now (None: the history's last).
    """
    with serve(DeribitMarket(history, now, spot or history.last_price), port) as url:
        yield url


@contextmanager
def serve(market: DeribitMarket, port: int = 0) -> Iterator[str]:
    """As ``deribit_server``, for a market that the caller goes on to change. Port 0: any free one."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(market))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="deribit", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(market: DeribitMarket) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in one packet: apart, the second waits 40 ms for the first one's
        # acknowledgement.
        wbufsize = 65_536
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            received = _microseconds()
            status, body = self._call()
            sent = _microseconds()
            envelope = {"usIn": received, "usOut": sent, "usDiff": sent - received, "testnet": False}
            self._answer(status, {"jsonrpc": "2.0", **body, **envelope})

        def _call(self) -> tuple[int, Json]:
            url = urlsplit(self.path)
            params = {name: values[-1] for name, values in parse_qs(url.query).items()}
            try:
                if not url.path.startswith(PREFIX):
                    raise method_not_found()
                with lock:
                    return 200, {"result": market.call(url.path.removeprefix(PREFIX), params)}
            except RpcError as error:
                return error.status, {"error": _error_body(error)}

        def _answer(self, status: int, body: Json) -> None:
            payload = json.dumps(body, separators=(",", ":")).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            """Quiet: the devnet's screen is not an access log."""

    return Handler


def _error_body(error: RpcError) -> Json:
    body: Json = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return body


def _microseconds() -> int:
    return time.time_ns() // 1_000

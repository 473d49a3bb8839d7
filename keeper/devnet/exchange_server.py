"""The public candles of three exchanges on one loopback port, in a thread of this process. Their paths differ."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from keeper.devnet.exchange_market import Clock, ExchangeMarket, ExchangeRefusal, Spot
from keeper.devnet.history import MarketHistory

COINBASE_CANDLES = re.compile(r"/products/([^/]+)/candles")


@contextmanager
def exchange_server(
    history: MarketHistory, now: Clock, spot: Spot | None = None, port: int = 0
) -> Iterator[str]:
    """Serve the history's prices until the block is left; yields the base URL of all three, without a slash.

    ``now`` is the chain's time in seconds; ``spot`` a symbol's price in USD now (None: the history's last).
    """
    with serve(ExchangeMarket(history, now, spot or history.last_price), port) as url:
        yield url


@contextmanager
def serve(market: ExchangeMarket, port: int = 0) -> Iterator[str]:
    """As ``exchange_server``. Port 0: any free one."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(market))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="exchanges", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(market: ExchangeMarket, path: str, params: dict[str, str]) -> Any:
    """What the exchange whose path it is answers with status 200. Raises ExchangeRefusal."""
    product = COINBASE_CANDLES.fullmatch(path)
    if product is not None:
        return market.coinbase(unquote(product[1]), params)
    if path == "/0/public/OHLC":
        return market.kraken(params)
    if path == "/api/v3/klines":
        return market.binance(params)
    raise ExchangeRefusal(404, {"message": "NotFound"})


def _handler(market: ExchangeMarket) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()  # the chain that tells time and prices is asked by one at a time

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One packet for headers and body: apart, the second waits for the first one's acknowledgement.
        wbufsize = 65_536
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            params = {name: values[-1] for name, values in parse_qs(url.query).items()}
            try:
                with lock:
                    found = answer(market, url.path, params)
                self._answer(200, found)
            except ExchangeRefusal as refusal:
                self._answer(refusal.status, refusal.body)

        def _answer(self, status: int, body: Any) -> None:
            payload = json.dumps(body, separators=(",", ":")).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            """Quiet: the devnet's screen is not an access log."""

    return Handler

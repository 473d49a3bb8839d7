"""Deribit's public HTTP API on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.devnet.deribit_market import Clock, DeribitError, DeribitMarket, Json, Spot, method_not_found
from keeper.devnet.history import MarketHistory
from keeper.devnet.loopback import Answer, answering

PREFIX = "/api/v2/"


@contextmanager
def deribit_server(
    history: MarketHistory, now: Clock, spot: Spot | None = None, port: int = 0
) -> Iterator[str]:
    """Serve the history's volatility until the block is left; yields the base URL, without a trailing slash.

    ``now`` is the chain's time in seconds; ``spot`` a symbol's price in USD now (None: the history's last).
    """
    with answering(_answers(DeribitMarket(history, now, spot or history.last_price)), "deribit", port) as url:
        yield url


def _answers(market: DeribitMarket) -> Answer:
    lock = threading.Lock()

    def answer(path: str, params: dict[str, str]) -> tuple[int, Json]:
        received = _microseconds()
        try:
            if not path.startswith(PREFIX):
                raise method_not_found()
            with lock:
                status, body = 200, {"result": market.call(path.removeprefix(PREFIX), params)}
        except DeribitError as error:
            status, body = 400, {"error": _error_body(error)}
        sent = _microseconds()
        envelope = {"usIn": received, "usOut": sent, "usDiff": sent - received, "testnet": False}
        return status, {"jsonrpc": "2.0", **body, **envelope}

    return answer


def _error_body(error: DeribitError) -> Json:
    body: Json = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return body


def _microseconds() -> int:
    return time.time_ns() // 1_000

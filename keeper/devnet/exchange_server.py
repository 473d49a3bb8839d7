"""The public candles of three exchanges on one loopback port. Their paths differ."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from keeper.devnet.exchange_market import Clock, ExchangeMarket, ExchangeRefusal, Spot
from keeper.devnet.history import MarketHistory
from keeper.devnet.loopback import Answer, answering

COINBASE_CANDLES = re.compile(r"/products/([^/]+)/candles")


@contextmanager
def exchange_server(
    history: MarketHistory, now: Clock, spot: Spot | None = None, port: int = 0
) -> Iterator[str]:
    """Serve the history's prices until the block is left; yields the base URL of all three, without a slash.

    ``now`` is the chain's time in seconds; ``spot`` a symbol's price in USD now (None: the history's last).
    """
    market = ExchangeMarket(history, now, spot or history.last_price)
    with answering(_answers(market), "exchanges", port) as url:
        yield url


def _answers(market: ExchangeMarket) -> Answer:
    lock = threading.Lock()  # the chain that tells time and prices is asked by one at a time

    def answer(path: str, params: dict[str, str]) -> Any:
        product = COINBASE_CANDLES.fullmatch(path)
        if product is not None:
            return market.coinbase(unquote(product[1]), params)
        if path == "/0/public/OHLC":
            return market.kraken(params)
        if path == "/api/v3/klines":
            return market.binance(params)
        raise ExchangeRefusal(404, {"message": "NotFound"})

    def answered(path: str, params: dict[str, str]) -> tuple[int, Any]:
        try:
            with lock:
                return 200, answer(path, params)
        except ExchangeRefusal as refusal:
            return refusal.status, refusal.body

    return answered

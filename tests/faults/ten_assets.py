"""A local chain with ten risk assets: the four of the product's, and six made from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np

from keeper.devnet import feeds, tokens
from keeper.devnet import local_chain as devnet
from keeper.devnet.aave import LISTED
from keeper.devnet.history import MarketHistory, PriceSeries
from keeper.devnet.local_chain import LocalChain
from keeper.recorded.aave import RESERVES
from keeper.recorded.pools import POOL_DEPTHS

MADE_FROM: Mapping[str, str] = {
    "AAVE": "UNI",
    "LDO": "LINK",
    "MKR": "UNI",
    "CRV": "LINK",
    "SNX": "UNI",
    "COMP": "LINK",
}
"""A made asset has the lending terms and the pools of the one that it is made from."""
TEN = ("WBTC", "WETH", "LINK", "UNI", *MADE_FROM)
NOISE = 0.004
"""Standard deviation of what is added to each hour's log return, so that no two assets move alike."""


@contextmanager
def chain_of_ten() -> Iterator[LocalChain]:
    reserves = (replace(row, symbol=made) for row in RESERVES for made in _made_from(row.symbol))
    depths = (replace(row, symbol=made) for row in POOL_DEPTHS for made in _made_from(row.symbol))
    with ExitStack() as tables:
        for patched in (
            patch.dict(tokens._NAMES, {symbol: (symbol, 18) for symbol in MADE_FROM}),
            patch.dict(feeds.FEED_NAMES, {symbol: f"{symbol} / USD" for symbol in MADE_FROM}),
            patch("keeper.devnet.aave.LISTED", (*LISTED, *reserves)),
            patch("keeper.devnet.uniswap.POOL_DEPTHS", (*POOL_DEPTHS, *depths)),
        ):
            tables.enter_context(patched)
        market = _market(devnet.load_history(None, None))
        with devnet.running(market, lambda _: None, put_back=True) as (_, built):
            yield built


def _made_from(symbol: str) -> list[str]:
    return [made for made, source in MADE_FROM.items() if source == symbol]


def _market(history: MarketHistory) -> MarketHistory:
    *risky, stable = history.prices
    made = [_series(history.price(source), symbol) for symbol, source in MADE_FROM.items()]
    return replace(history, prices=(*risky, *made, stable))


def _series(source: PriceSeries, symbol: str) -> PriceSeries:
    generator = np.random.Generator(np.random.PCG64(list(MADE_FROM).index(symbol)))
    path = np.cumsum(generator.normal(0.0, NOISE, source.prices.size))
    prices = np.round(source.prices * np.exp(path - path[-1]), 8)
    return PriceSeries(symbol, source.times, prices)

"""Small made-up markets for the evaluation's tests."""

from __future__ import annotations

import numpy as np

from keeper.domain.path import ImpliedPath, MarketPath
from tests.factories import DAY, HOUR

BEGIN = 1_600_041_600  # 2020-09-14 00:00 UTC
SYMBOLS = ("WBTC", "WETH", "LINK")
CORRELATION = np.array([[1.0, 0.8, 0.5], [0.8, 1.0, 0.6], [0.5, 0.6, 1.0]])


def market(days: int = 300, seed: int = 3, *, regimes: bool = True, late_days: int = 0) -> MarketPath:
    """Hourly closes: volatility 40 %, and 120 % in every other fortnight; DVOL is the true volatility, in fractions.

    The last asset's prices begin ``late_days`` after the others'.
    """
    hours = days * 24
    generator = np.random.default_rng(seed)
    wild = regimes & (np.arange(hours) // (14 * 24) % 2 == 1)
    volatility = np.where(wild, 1.2, 0.4)
    noise = generator.standard_normal((hours, 3)) @ np.linalg.cholesky(CORRELATION).T
    moves = noise * volatility[:, None] / np.sqrt(8_760)
    closes = 100.0 * np.exp(np.vstack([np.zeros(3), np.cumsum(moves, axis=0)]))
    closes[: late_days * 24, 2] = np.nan
    times = BEGIN + HOUR * np.arange(hours + 1, dtype=np.int64)
    implied = tuple(ImpliedPath(name, times[:-1], volatility) for name in ("BTC", "ETH"))
    return MarketPath(
        source="generated for a test",
        symbols=SYMBOLS,
        stable_symbol="USDC",
        bar_seconds=HOUR,
        times=times,
        decide_after=0,
        closes=closes,
        lows=closes * 0.99,
        at_closes=(),
        stable=np.ones(times.size),
        borrow_rate=np.full(times.size, np.nan),
        implied=implied,
        gas_price_wei=np.full(times.size, 10**10, dtype=np.int64),
        native_usd=np.full(times.size, 2_000.0),
        notes=(),
    )


def day(number: int) -> int:
    """Unix second at which day ``number`` of the market begins."""
    return BEGIN + number * DAY

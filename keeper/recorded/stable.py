"""USDC/USD: Chainlink's last round, else the USDC/USDT pool with USDT at a dollar, else one dollar.

The recorded exchange series is not used: outside the depeg of March 2023 it scatters by 0.3 %, more than the feed did.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.recorded.rounds import read_rounds
from keeper.recorded.series import SeriesForm
from keeper.recorded.table import HOUR, last_known, read_columns

STABLE = "USDC"
ROUNDS_FILE = "chainlink_rounds_usdc_usd.csv"
POOL_FILE = "univ3_usdc_usdt_1bp_hourly.csv"
MAX_ROUND_AGE_S = 90_000  # the feed's heartbeat is 86,400 s and was seen up to 208 s late
MAX_POOL_AGE_S = 3 * HOUR


def stable_at(data_dir: Path, at: NDArray[np.int64]) -> tuple[NDArray[np.float64], str]:
    """USDC in USD as known at each moment, and a sentence on where the values are from."""
    from_rounds, _ = last_known(*read_rounds(data_dir / ROUNDS_FILE), at, MAX_ROUND_AGE_S)
    from_pool, _ = last_known(*_pool(data_dir / POOL_FILE), at, MAX_POOL_AGE_S)
    rounds = ~np.isnan(from_rounds)
    pool = ~rounds & ~np.isnan(from_pool)
    values = np.where(rounds, from_rounds, np.where(pool, from_pool, 1.0))
    counts = {
        "Chainlink USDC/USD rounds": int(rounds.sum()),
        "Uniswap USDC/USDT with USDT at 1": int(pool.sum()),
        "one dollar": int((~rounds & ~pool).sum()),
    }
    used = ", ".join(f"{rule} ({count} hours)" for rule, count in counts.items() if count)
    return values, f"USDC/USD from {used}"


def _pool(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if not path.is_file():
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    recorded = read_columns(path, SeriesForm(("usdc_in_usdt",), required=("usdc_in_usdt",), stamp="ts_utc"))
    return recorded.times, recorded.values[:, 0]

"""A folder of recorded history as a researcher may bring it: 150 days of hourly closes and one gas price."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

START = datetime(2022, 1, 1, tzinfo=UTC)
HOURS = 24 * 150
HEADER = "ts_close_utc,BTC,ETH,LINK,UNI"
Rows = list[list[str]]


def stamp(hour: int) -> str:
    return f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"


def good_rows() -> Rows:
    moves = np.random.default_rng(1).uniform(-0.01, 0.01, size=(HOURS, 4))
    prices = np.array([40_000.0, 3_000.0, 20.0, 9.0]) * np.cumprod(1.0 + moves, axis=0)
    return [
        [stamp(hour), *(f"{price:.4f}" for price in row)] for hour, row in enumerate(prices.tolist(), start=1)
    ]


GOOD = good_rows()


def folder_of(folder: Path, rows: Rows, header: str = HEADER) -> Path:
    text = "\n".join([header, *(",".join(row) for row in rows)])
    (folder / "hourly_close.csv").write_text(text + "\n")
    (folder / "eth_gas_price_daily.csv").write_text("date_utc,avg_gas_price_gwei\n2021-12-31,50\n")
    return folder

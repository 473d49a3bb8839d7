"""Ethereum's gas price: the average paid on a day, known from the END of that day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.recorded.series import SeriesForm
from keeper.recorded.table import DAY, last_known, read_columns

GAS_FILE = "eth_gas_price_daily.csv"
GWEI = 10**9

DISTORTED = ("2020-06-10", "2020-06-11")
"""Two mispriced transactions, of millions of dollars in fees each, lift these days' averages to 582 and 709 gwei."""


def gas_price_at(data_dir: Path, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Wei at each moment, the last day's that had ended, and notes on it.

    Moments before the first day's end have the first day's price. Raises BadInput where no price is recorded.
    """
    if not (data_dir / GAS_FILE).is_file():
        raise BadInput(
            f"{data_dir}: there is no {GAS_FILE} in it",
            remedy="Write one with the columns date_utc and avg_gas_price_gwei; a row for one day is enough.",
        )
    form = SeriesForm(
        ("avg_gas_price_gwei",), required=("avg_gas_price_gwei",), stamp="date_utc", seconds=DAY
    )
    recorded = read_columns(data_dir / GAS_FILE, form, end=int(at[-1]) - 1)
    dates, gwei = recorded.times, recorded.values
    distorted = np.isin(dates, np.array(DISTORTED, dtype="datetime64[s]").astype(np.int64))
    usable = ~np.isnan(gwei[:, 0]) & ~distorted
    if not usable.any():
        raise BadInput(f"{GAS_FILE}: no day before the end of the range", remedy="Choose a later range.")
    known_from = dates[usable] + DAY
    price, _ = last_known(known_from, gwei[usable, 0], at)
    early = np.isnan(price)
    price[early] = gwei[usable, 0][0]
    note = "gas price: average paid on the day before"
    mended = int(np.isin((at - 1) // DAY * DAY - DAY, dates[distorted]).sum())
    if mended:
        note += f", {mended} hours after the distorted days {' and '.join(DISTORTED)} with the day before's"
    if early.any():
        note += f", {int(early.sum())} hours before the first day's end with that day's"
    return np.rint(price * GWEI).astype(np.int64), (note, *recorded.notes)

"""Every round of a price feed from a file: its answer and when it was updated."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.domain.units import USD
from keeper.runtime.text_files import text_of


def read_rounds(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Unix seconds, ascending, and USD; both empty where there is no file. Raises BadInput for a row that is no round.

    The columns are ``answer``, with 8 decimals, and ``updated_at``.
    """
    if not path.is_file():
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    rows = csv.DictReader(StringIO(text_of(path, "KEEPER_DATA_DIR"), newline=""))
    try:
        # A phase change of the feed steps back once, so the file's order is not the order of time.
        rounds = sorted((int(row["updated_at"]), _positive(int(row["answer"])) / USD) for row in rows)
    except (KeyError, ValueError, TypeError) as error:
        raise BadInput(
            f"{path.name}, line {rows.line_num}: no round ({error!r})", remedy="Restore the recorded file."
        ) from error
    times = np.array([time for time, _ in rounds], dtype=np.int64)
    return times, np.array([answer for _, answer in rounds], dtype=np.float64)


def _positive(answer: int) -> int:
    if answer <= 0:
        raise ValueError(f"answer {answer}")
    return answer

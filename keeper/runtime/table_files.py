"""A table as a CSV file, or as a Parquet file if pyarrow is installed. The ending of the name says which."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keeper.domain.errors import BadInput, install_extra


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Writes the rows in the order given and returns their number. None is an empty cell. Raises BadInput."""
    parquet = is_parquet(path)
    try:
        return _write_parquet(path, columns, rows) if parquet else _write_csv(path, columns, rows)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written ({error.strerror})", remedy="Name a file in a folder that is there."
        ) from None


def is_parquet(path: Path) -> bool:
    """Whether the ending is .parquet; else it is .csv. Raises BadInput for another one, and without pyarrow."""
    if path.suffix not in (".csv", ".parquet"):
        raise BadInput(f"{path.name}: neither .csv nor .parquet", remedy="The ending says the format.")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise BadInput(
            f"{path.name}: Parquet needs the package pyarrow",
            remedy=f"Use CSV, or: {install_extra('research')}",
        )
    return path.suffix == ".parquet"


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Row by row, so that a long journal needs no memory."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _write_parquet(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(columns))
    frame.to_parquet(path, engine="pyarrow", index=False)
    return len(frame)

"""Rows of a CSV file, or of a Parquet file where pyarrow is installed, as text by column."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import NoReturn

from keeper.domain.errors import BadInput, InvalidSetting
from keeper.runtime.table_files import is_parquet
from keeper.runtime.text_files import text_of

EMPTY = frozenset({"", "nan", "NaN", "None", "<NA>", "NaT"})
"""Cells without a value, as CSV and Parquet files have them."""


@dataclass(frozen=True, slots=True)
class FileRows:
    """``rows``: where each one is ("prices.csv, line 7") and its cells in the order of ``header``. That is in lower
    case; ``written`` has the names as they are."""

    path: Path
    header: tuple[str, ...]
    written: tuple[str, ...]
    rows: Iterator[tuple[str, list[str]]]


def file_rows(path: Path) -> FileRows:
    """Reads the header and gives the rows one by one. Raises BadInput."""
    if not path.is_file():
        refuse(f"{path}: there is no such file", "Name a CSV or Parquet file.")
    rows = _parquet_rows(path) if is_parquet(path) else _csv_rows(path)
    _, written = next(rows, ("", []))
    header = tuple(name.lower() for name in written)
    twice = sorted({name for name in header if header.count(name) > 1})
    if not header or twice:
        refuse(
            f"{path.name}: its columns are {', '.join(written) or 'none'}",
            "It needs a header with each name once.",
        )
    return FileRows(path, header, written=tuple(written), rows=rows)


def refuse(message: str, remedy: str) -> NoReturn:
    """Raises BadInput."""
    raise BadInput(message, remedy=remedy)


def _csv_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    name = path.name
    try:
        lines = csv.reader(StringIO(text_of(path, "file"), newline=""), strict=True)
        header = [name.strip() for name in next(lines, [])]
        yield f"{name}, line 1", header
        for cells in lines:
            if len(cells) not in (0, len(header)):
                refuse(
                    f"{name}, line {lines.line_num}: {len(cells)} cells, the header has {len(header)}",
                    "Correct the line.",
                )
            if cells:
                yield f"{name}, line {lines.line_num}", [cell.strip() for cell in cells]
    except (InvalidSetting, csv.Error) as error:
        refuse(f"{name}: not a CSV file in UTF-8 ({error})", "Save it as CSV in UTF-8.")


def _parquet_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    import pandas as pd

    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        refuse(f"{path.name}: not a Parquet file ({error!s:.80})", "Write it again.")
    if frame.index.name is not None:
        frame = frame.reset_index()
    yield f"{path.name}, header", [str(name).strip() for name in frame.columns]
    for number, cells in enumerate(frame.itertuples(index=False, name=None), start=1):
        yield f"{path.name}, row {number}", [str(cell) for cell in cells]

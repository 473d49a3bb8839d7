"""The closes that the risk estimate uses, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keeper.runtime.table_files import write_table

COLUMNS = ("symbol", "closed_at", "close", "source")


@dataclass(frozen=True, slots=True)
class ExportedClose:
    """A row of an export; ``closed_at`` in Unix seconds, ``close`` in USD."""

    symbol: str
    closed_at: int
    close: float
    source: str


def write(path: Path, rows: Sequence[ExportedClose]) -> None:
    """Columns symbol, closed_at (ISO 8601, UTC), close, source, in the order given; the ending says the format. Raises
    BadInput."""
    write_table(path, COLUMNS, [(row.symbol, _shown(row.closed_at), row.close, row.source) for row in rows])


def _shown(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

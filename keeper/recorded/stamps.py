"""Times in files: ISO 8601 with or without a zone, Unix seconds, Unix milliseconds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from keeper.recorded.file_rows import refuse

STAMPS = {
    "closed_at": "close",
    "ts_close_utc": "close",
    "open_time": "open",
    "ts_open_utc": "open",
    "time": None,
}
"""Columns with the time of a bar, and which end of it that is; None if somebody must say so. The first one counts."""
MILLISECONDS_FROM = 10**11
EARLIEST = 1_230_768_000  # 2009: before it no such asset had a price, so such a number is no Unix second
LATEST = 4_102_444_800  # 2100: a later number is no Unix second either
_INTEGER_TEXT = re.compile(r"(\d{1,15})(\.0*)?")


def stamp_column(header: Sequence[str]) -> str | None:
    """The column of the header that has the bars' times."""
    return next((name for name in STAMPS if name in header), None)


def stamped_end(column: str, stamped: str | None, where: str) -> str:
    """Which end of a bar the column has, "open" or "close". ``stamped`` is what somebody says about it."""
    known = STAMPS[column]
    if known is None and stamped is None:
        refuse(
            f"{where}: does the column {column} say when a bar opened, or when it closed?",
            "Say --time open or --time close, or name the column closed_at or open_time. The wrong one would look a "
            "bar into the future.",
        )
    if known is not None and stamped not in (None, known):
        refuse(f"{where}: {column} is the {known} of a bar, not its {stamped}", "Leave --time out.")
    return str(known or stamped)


def moment(text: str, where: str) -> tuple[int, bool]:
    """Unix second, and whether the text itself says of which zone."""
    zoned, second = True, math.nan
    number = None if text[4:5] == "-" else _INTEGER_TEXT.fullmatch(text)
    if number is not None:
        second = int(number[1])
        second = second / 1000 if second >= MILLISECONDS_FROM else second
    else:
        try:
            read = datetime.fromisoformat(text)
        except ValueError:
            read = None
        if read is not None:
            zoned = read.tzinfo is not None
            second = (read if zoned else read.replace(tzinfo=UTC)).timestamp()
    if not EARLIEST <= second < LATEST:
        refuse(f"{where}: {text!r:.40} is not a time", "Use ISO 8601, Unix seconds or milliseconds.")
    if second != int(second):
        refuse(f"{where}: {text} is between two seconds", "Bars begin and end on whole seconds.")
    return int(second), zoned


def shown(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

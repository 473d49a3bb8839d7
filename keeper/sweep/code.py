"""Which code a candidate was run by: a version number does not change with every line."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

DECIDING = ("backtest", "decision", "domain", "planning", "risk", "sizing", "sweep")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Of every source that an outcome follows from."""
    package = Path(__file__).parents[1]
    sources = [package / "cycle" / "pipeline.py"]
    for room in DECIDING:
        sources += sorted((package / room).rglob("*.py"))
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()

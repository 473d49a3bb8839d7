"""Identifies the code that ran a candidate. A version number does not change with every line."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

ROOMS = ("backtest", "decision", "domain", "lending", "planning", "risk", "sizing", "sweep")
"""The packages that decide the outcome of a candidate."""


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 over every source file that decides an outcome."""
    package = Path(__file__).parents[1]
    sources = [package / "cycle" / "pipeline.py"]
    for package_name in ROOMS:
        sources += sorted((package / package_name).rglob("*.py"))
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()

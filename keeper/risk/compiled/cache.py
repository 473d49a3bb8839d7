"""Folder of numba's compiled code: one per state of the sources.

Numba only checks the file that defines a function. Without a folder per state, a change in one file would leave stale
code in the functions of other files that call it. The folder is in the user's home, because the package's own folder
may be read-only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numba

COMPILED_FROM = ("risk", "sizing", "decision", "backtest/screen")
"""Folders of the package with a function that numba compiles."""
DIGEST_LENGTH = 16
"""Hex digits of the folder's name: 64 bits, enough that two states of the sources never share a folder."""


def use_own_cache() -> Path:
    """Sets numba's cache to a folder under NUMBA_CACHE_DIR, or ~/.cache/keeper, and returns it.

    Call it before any function is decorated: numba reads the setting then.
    """
    config: Any = numba.config
    package = Path(__file__).parents[2]
    digest = hashlib.sha256(numba.__version__.encode())
    for room in COMPILED_FROM:
        for source in sorted((package / room).rglob("*.py")):
            digest.update(source.read_bytes())
    base = Path(config.CACHE_DIR) if config.CACHE_DIR else Path.home() / ".cache" / "keeper"
    folder = base / digest.hexdigest()[:DIGEST_LENGTH]
    config.CACHE_DIR = str(folder)
    return folder


def is_warm() -> bool:
    """Returns whether the cache already holds code compiled from these sources."""
    config: Any = numba.config
    return any(Path(config.CACHE_DIR).rglob("*.nbi"))

"""Where numba keeps what it compiled: one folder for each state of the sources it was compiled from.

Numba looks at the file of a function alone; a function that calls one in another file would stay as it was when that
one changes. The folder is the user's, because the package's own may be read-only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numba

COMPILED_FROM = ("risk", "sizing", "decision", "backtest/screen")


def use_own_cache() -> Path:
    """Under NUMBA_CACHE_DIR where that is set, else under ~/.cache/keeper. Before anything is decorated."""
    config: Any = numba.config
    package = Path(__file__).parents[2]
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in COMPILED_FROM:
        for source in sorted((package / folder).rglob("*.py")):
            digest.update(source.read_bytes())
    base = Path(config.CACHE_DIR) if config.CACHE_DIR else Path.home() / ".cache" / "keeper"
    chosen = base / digest.hexdigest()[:16]
    config.CACHE_DIR = str(chosen)
    return chosen


def is_warm() -> bool:
    """Whether anything has been compiled from these sources before."""
    config: Any = numba.config
    return any(Path(config.CACHE_DIR).rglob("*.nbi"))

"""Where the checkout, its npm packages and its caches are."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "deploy" / "contracts"
STRATEGY = ROOT / "deploy" / "strategies" / "all-weather-onchain.toml"
"""Of the all-weather universe."""
NODE_MODULES = ROOT / "node_modules"


def cache_dir() -> Path:
    """``KEEPER_CACHE_DIR``, by default ``.cache`` in the checkout. Safe to delete: everything in it is made
    again."""
    return Path(os.environ.get("KEEPER_CACHE_DIR", ROOT / ".cache"))


@contextmanager
def single_build(kept: Path) -> Iterator[None]:
    """One process at a time makes the file ``kept`` of the cache. The others wait, and find it."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""Where the checkout, its npm packages and its caches are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "deploy" / "contracts"
NODE_MODULES = ROOT / "node_modules"


def cache_dir() -> Path:
    """``KEEPER_CACHE_DIR``, by default ``.cache`` in the checkout. Safe to delete: everything in it is made
    again."""
    return Path(os.environ.get("KEEPER_CACHE_DIR", ROOT / ".cache"))

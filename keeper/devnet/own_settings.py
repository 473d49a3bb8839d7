"""Points the settings of this process to a local chain for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_settings(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """Those of the chain whose deployment file is in ``folder``, with journal, lock and pause file there. What the
    operator has configured in the environment does not count meanwhile. ``more``: other variables."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith("KEEPER_") and name != "KEEPER_CACHE_DIR"]:
        del os.environ[name]
    os.environ["KEEPER_DEPLOYMENT"] = str(folder / "deployment.json")
    os.environ["KEEPER_JOURNAL_URL"] = f"sqlite:///{folder / 'keeper.db'}"
    os.environ["KEEPER_LOCK_DIRECTORY"] = str(folder)
    os.environ["KEEPER_PAUSE_FILE"] = str(folder / "keeper.pause")
    os.environ.update(more or {})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

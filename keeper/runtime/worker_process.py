"""Processes of a pool: how they begin, and how they end with whoever waits for them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.context import SpawnContext

QUIET_TRACKER = "ignore:resource_tracker"
"""After Ctrl-C Python's tracker removes what the ended processes left, and would warn about it on the screen."""


def spawning() -> SpawnContext:
    """Processes that inherit no lock of this process's threads, as forked ones would."""
    os.environ.setdefault("PYTHONWARNINGS", QUIET_TRACKER)
    return multiprocessing.get_context("spawn")


def begin_worker() -> None:
    """Leaves Ctrl-C to the one who waits, and ends when that one is gone: it would wait for its next task for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

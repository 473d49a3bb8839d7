"""The memory of a process that runs for months."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Returns to the system what was freed, where the C library can (glibc's ``malloc_trim``).

    glibc keeps freed memory in each thread's pool. A cycle's prices and answers of nodes are freed at its end, and the
    daemon then waits for an hour.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

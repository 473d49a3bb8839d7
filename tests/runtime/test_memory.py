"""Freed memory goes back to the system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from keeper.runtime.memory import give_back

pytestmark = pytest.mark.unit
PIECES, PIECE = 4_000, 100_000
"""Each is below the size that glibc maps by itself, and so is freed into its pool."""


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and glibc alone has malloc_trim")
def test_what_was_freed_is_no_longer_resident() -> None:
    give_back()
    before = resident_mb()
    pieces = [bytes([1]) * PIECE for _ in range(PIECES)]
    last = pieces[-1]  # the newest piece pins the top of the pool, which free alone would give back
    full = resident_mb()
    del pieces
    give_back()
    assert full - before > 300
    assert resident_mb() - before < 20
    assert last

"""Makes this run light on the machine: scratch files in memory, and one thread of linear algebra per worker.

Call it before NumPy is imported and before anything asks for a temporary folder. Workers and started processes inherit
both from the environment; what the environment already says wins.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ROOM: Final = 4 * 2**30
"""Free bytes that a run needs there: a container often has 64 MiB, a run has been seen to use 0.3 GiB."""
BLAS_THREADS: Final = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def lighten() -> None:
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # pytest has asked before the first conftest is read


def has_room(folder: Path) -> bool:
    """Whether a run can keep its files there and run scripts from there."""
    try:
        told = os.statvfs(folder)
    except OSError:
        return False
    return (
        os.access(folder, os.W_OK)
        and told.f_bavail * told.f_frsize >= ROOM
        and not told.f_flag & os.ST_NOEXEC
    )

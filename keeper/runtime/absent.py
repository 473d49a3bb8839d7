"""Modules that a library imports where they are installed, and that the keeper does not use through it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Within the block these modules cannot be imported, as if they were not installed. One that is imported already
    stays. The daemon saves their memory, and every command their time."""
    hidden = [name for name in names if name not in sys.modules]
    # None there is Python's own mark of a module that must not be imported.
    sys.modules.update(dict.fromkeys(hidden, cast("ModuleType", None)))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]

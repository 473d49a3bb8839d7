"""Holds an on-chain vault at leveraged risk parity."""

import sys
from types import ModuleType
from typing import cast

# httpx imports its own command line, and what draws it, wherever that is installed. None is Python's mark of a module
# that cannot be imported. It saves the daemon's memory and every command's time.
sys.modules.setdefault("httpx._main", cast("ModuleType", None))

__version__ = "0.1.0"

"""The hot loops of ``keeper.risk`` compiled by numba, for backtests; the live keeper does not import them.

``python -m keeper.risk.compiled`` compiles them ahead of time into numba's cache.
"""

from importlib.util import find_spec

from keeper.domain.errors import InvalidSetting

if find_spec("numba") is None:
    raise InvalidSetting(
        "the compiled risk kernels need numba, which is not installed",
        remedy="Run: pip install 'keeper[research]'.",
    )

from keeper.risk.compiled.cache import use_own_cache

use_own_cache()

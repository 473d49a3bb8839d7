"""The risk-parity solver of the backtest screen, compiled by numba; the live keeper does not import it."""

from importlib.util import find_spec

from keeper.domain.errors import InvalidSetting

if find_spec("numba") is None:
    raise InvalidSetting(
        "the compiled risk kernel needs numba, which is not installed",
        remedy="Run: pip install 'keeper[research]'.",
    )

from keeper.risk.compiled.cache import use_own_cache

use_own_cache()

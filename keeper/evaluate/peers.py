"""skfolio's covariance estimators on daily returns, where skfolio is installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.evaluate.history import DAYS_A_YEAR, PointInTimeData
from keeper.evaluate.textbook import complete_daily_returns

LIBRARY = "skfolio"
ESTIMATORS: Mapping[str, tuple[str, int, Mapping[str, Any]]] = {
    "skfolio EWCovariance 11 d": ("EWCovariance", 365, {"half_life": 11}),
    "skfolio EWCovariance 40 d": ("EWCovariance", 365, {"half_life": 40}),
    "skfolio RegimeAdjustedEWCovariance": ("RegimeAdjustedEWCovariance", 365, {}),
    "skfolio LedoitWolf, 60 d": ("LedoitWolf", 60, {}),
    "skfolio OAS, 60 d": ("OAS", 60, {}),
    "skfolio GerberCovariance, 120 d": ("GerberCovariance", 120, {}),
    "skfolio DenoiseCovariance, 120 d": ("DenoiseCovariance", 120, {}),
}
"""By name: skfolio class, days of returns it is fitted on, parameters other than its defaults."""


def peers() -> tuple[dict[str, Callable[[PointInTimeData], NDArray[np.float64]]], dict[str, str]]:
    """Forecasts by name, and by name the reason for each that cannot run here."""
    if find_spec(LIBRARY) is None:
        return {}, dict.fromkeys(ESTIMATORS, f"{LIBRARY} is not installed")
    moments = import_module(f"{LIBRARY}.moments")
    forecasts: dict[str, Callable[[PointInTimeData], NDArray[np.float64]]] = {
        name: partial(_fitted, getattr(moments, kind), days, parameters)
        for name, (kind, days, parameters) in ESTIMATORS.items()
        if hasattr(moments, kind)
    }
    return forecasts, {
        name: f"this {LIBRARY} has no {ESTIMATORS[name][0]}" for name in ESTIMATORS if name not in forecasts
    }


def _fitted(
    kind: Any, days: int, parameters: Mapping[str, Any], data: PointInTimeData
) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skfolio warns at every fit that it clips eigenvalues
        estimator = kind(**parameters).fit(complete_daily_returns(data)[-days:])
    return DAYS_A_YEAR * np.asarray(estimator.covariance_, dtype=np.float64)

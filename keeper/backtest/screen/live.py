"""The live keeper's own scalar functions, compiled as they stand."""

from __future__ import annotations

from typing import Any

from numba import njit

from keeper.decision import measures
from keeper.risk import implied
from keeper.sizing import bounds

compiled: Any = njit(cache=True, error_model="numpy")

leverage_at_health_factor = compiled(bounds.leverage_at_health_factor)
in_variance = compiled(implied.in_variance)
in_logs = compiled(implied.in_logs)
relative_gap = compiled(measures.relative_gap)
tracking_error = compiled(measures.tracking_error)
outer_band = compiled(measures.outer_band)
gas_price_limit = compiled(measures.gas_price_limit)
turnover = compiled(measures.turnover)
trade_cost = compiled(measures.trade_cost)
benefit = compiled(measures.benefit)
part_to_ellipsoid = compiled(measures.part_to_ellipsoid)
share_within_bounds = compiled(measures.share_within_bounds)
allowed_part = compiled(measures.allowed_part)

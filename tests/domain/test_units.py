"""Conversions between raw amounts and floats."""

from __future__ import annotations

import math

import pytest

from keeper.domain.units import UINT256_MAX, WAD, health_factor_of


@pytest.mark.parametrize(
    ("raw", "factor"),
    [(UINT256_MAX, math.inf), (UINT256_MAX - 1, (UINT256_MAX - 1) / WAD), (WAD, 1.0), (0, 0.0)],
)
def test_a_health_factor_is_infinite_without_debt_only(raw: int, factor: float) -> None:
    assert health_factor_of(raw) == factor

"""Units, and the only conversions between raw amounts and floats. Raw amounts are ``int`` in a token's smallest
unit."""

from __future__ import annotations

import math

BPS = 10_000
WAD = 10**18
RAY = 10**27
USD_DECIMALS = 8
USD: int = 10**USD_DECIMALS
UINT256_MAX = 2**256 - 1
SECONDS_PER_HOUR = 3_600
SECONDS_PER_DAY = 86_400
SECONDS_PER_YEAR = 31_536_000
HOURS_PER_YEAR = 8_760


def unit(decimals: int) -> int:
    """Raw amount of one whole unit."""
    return int(10**decimals)


def to_float(raw: int, decimals: int) -> float:
    """Raw amount as a float of whole units. For risk numbers only: it is not exact enough to be sent."""
    return raw / unit(decimals)


def health_factor_of(raw: int) -> float:
    """A health factor as Aave and the vault give it, as a float: infinite without debt."""
    return math.inf if raw == UINT256_MAX else raw / WAD


def wad_ceil(value: float) -> int:
    """Smallest number with 18 decimals that is at least ``value``."""
    numerator, denominator = value.as_integer_ratio()
    return -(-numerator * WAD // denominator)


def usd(raw: int, decimals: int, price: int) -> float:
    """Value in USD of a raw amount at a price with 8 decimals."""
    return raw * price / unit(decimals + USD_DECIMALS)


def raw_from_usd_floor(value_usd: float, decimals: int, price: int) -> int:
    """Largest raw amount that is worth at most ``value_usd`` at a price with 8 decimals."""
    numerator, denominator = value_usd.as_integer_ratio()
    return numerator * unit(decimals + USD_DECIMALS) // (denominator * price)


def raw_from_usd_ceil(value_usd: float, decimals: int, price: int) -> int:
    """Smallest raw amount that is worth at least ``value_usd`` at a price with 8 decimals."""
    numerator, denominator = value_usd.as_integer_ratio()
    return -(-numerator * unit(decimals + USD_DECIMALS) // (denominator * price))

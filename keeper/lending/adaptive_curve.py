"""Morpho's adaptive curve in exact integers: what a market's debt will cost.

Source: AdaptiveCurveIrm and ExpLib of github.com/morpho-org/morpho-blue-irm. Rates are of a second, with
18 decimals, as the contract has them. A year has 365 days.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.units import SECONDS_PER_YEAR, WAD

TARGET_UTILISATION = 9 * WAD // 10
STEEPNESS = 4 * WAD
SPEED = 50 * WAD // SECONDS_PER_YEAR
FIRST_RATE = 4 * WAD // 100 // SECONDS_PER_YEAR
LOWEST_RATE = WAD // 1_000 // SECONDS_PER_YEAR
HIGHEST_RATE = 2 * WAD // SECONDS_PER_YEAR
_LN_2 = 693_147_180_559_945_309
_LN_WEI = -41_446_531_673_892_822_312
"""ln 1e-18. Under it e^x is 0."""
_FARTHEST = 93_859_467_695_000_404_319
_MOST = 57_716_089_161_558_943_949_701_069_502_944_508_345_128_422_502_756_744_429_568
"""e^x from ``_FARTHEST`` on."""


@dataclass(frozen=True, slots=True)
class AdaptiveCurve:
    """One market's curve. ``rate_at_target`` is as of the market's last update, 0 before its first."""

    rate_at_target: int

    def rate(self, borrowed: int, supplied: int) -> int:
        """Right after an update that leaves these sums. With every other hand still, interest begins with it."""
        return _on_curve(self.rate_at_target or FIRST_RATE, distance(borrowed, supplied))

    def mean_rate(self, borrowed: int, supplied: int, elapsed_s: int) -> int:
        """Of the time since the last update, in which the sums were these."""
        if self.rate_at_target == 0:
            return self.rate(borrowed, supplied)
        far = distance(borrowed, supplied)
        exponent = _exponent(far, elapsed_s)
        first, middle, last = (
            _grown(self.rate_at_target, part) for part in (0, _toward_zero(exponent, 2), exponent)
        )
        return _on_curve((first + 2 * middle + last) // 4, far)

    def after(self, borrowed: int, supplied: int, elapsed_s: int) -> AdaptiveCurve:
        """As an update leaves it after that time with these sums."""
        if self.rate_at_target == 0:
            return AdaptiveCurve(FIRST_RATE)
        return AdaptiveCurve(_grown(self.rate_at_target, _exponent(distance(borrowed, supplied), elapsed_s)))

    @property
    def highest_rate(self) -> int:
        """Where everything is borrowed."""
        return self.rate(WAD, WAD)


def distance(borrowed: int, supplied: int) -> int:
    """Of utilisation from its target, 18 decimals: -1 where nothing is borrowed, 0 at 90 %, 1 at 100 %."""
    utilisation = borrowed * WAD // supplied if supplied else 0
    whole = WAD - TARGET_UTILISATION if utilisation > TARGET_UTILISATION else TARGET_UTILISATION
    return _toward_zero((utilisation - TARGET_UTILISATION) * WAD, whole)


def _on_curve(rate_at_target: int, far: int) -> int:
    slope = WAD - WAD * WAD // STEEPNESS if far < 0 else STEEPNESS - WAD
    return (_toward_zero(slope * far, WAD) + WAD) * rate_at_target // WAD


def _exponent(far: int, elapsed_s: int) -> int:
    return _toward_zero(SPEED * far, WAD) * elapsed_s


def _grown(rate: int, exponent: int) -> int:
    return min(max(rate * _exp(exponent) // WAD, LOWEST_RATE), HIGHEST_RATE)


def _exp(x: int) -> int:
    """e^x as 2^k e^r with r nearest to 0; e^r by the first three terms of its series, up to 0.9 % off, as Morpho has
    it."""
    if x < _LN_WEI:
        return 0
    if x >= _FARTHEST:
        return _MOST
    half = _LN_2 // 2
    k = _toward_zero(x - half if x < 0 else x + half, _LN_2)
    r = x - k * _LN_2
    power = WAD + r + r * r // WAD // 2
    return power << k if k >= 0 else power >> -k


def _toward_zero(number: int, by: int) -> int:
    """The quotient as Solidity rounds it."""
    return number // by if number >= 0 else -(-number // by)

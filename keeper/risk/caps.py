"""Caps on the share of single assets and of groups in the value of all risk assets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.policy import AssetGroup, AssetPolicy
from keeper.risk.budgets import EPSILON
from keeper.risk.quadratic import Minimum, minimise

ROUNDING = 1e-12
"""Weights and sums of weights that differ by less are equal."""
BINDING_SLACK = 1e-9
"""A cap binds when the weights use all of it but this part. The solvers reach 1e-10."""
EVENNESS = 1e-3
"""Weight of even weights beside the largest sum, in the search for weights inside the caps. Small, so that the sum
decides; large enough for one solution."""


@dataclass(frozen=True, slots=True)
class Cap:
    """These assets together are at most ``max_share`` of the value of all risk assets."""

    name: str
    symbols: tuple[str, ...]
    max_share: float


def caps_of(assets: Sequence[AssetPolicy], groups: Sequence[AssetGroup]) -> tuple[Cap, ...]:
    """Every cap that can bind: ``max_share:SYMBOL`` and ``group:NAME``."""
    single = (Cap(f"max_share:{asset.symbol}", (asset.symbol,), asset.max_share) for asset in assets)
    grouped = (Cap(f"group:{group.name}", group.symbols, group.max_share) for group in groups)
    return tuple(cap for cap in (*single, *grouped) if not cap.max_share >= 1.0)


@dataclass(frozen=True, slots=True)
class FeasibleCaps:
    """Caps that n assets can obey: ``members @ weights <= shares``.

    ``members`` (m, n) is 1 where a cap counts an asset, ``shares`` (m,); ``interior`` (n,) are positive weights that
    obey, with sum 1.
    """

    caps: tuple[Cap, ...]
    members: NDArray[np.float64]
    shares: NDArray[np.float64]
    interior: NDArray[np.float64]

    @property
    def cone(self) -> NDArray[np.float64]:
        """Rows (m, n) that are at most 0 at any multiple of weights within the caps."""
        return np.asarray(self.members - self.shares[:, None], dtype=np.float64)

    def allow(self, weights: NDArray[np.float64]) -> bool:
        """Whether weights that sum to 1 obey every cap, to the last bit."""
        return all(
            math.fsum(weights[row > 0.0]) <= share
            for row, share in zip(self.members, self.shares, strict=True)
        )

    def binding(self, weights: NDArray[np.float64]) -> tuple[str, ...]:
        """Names of the caps that the weights exhaust."""
        used = self.members @ weights
        return tuple(
            cap.name
            for cap, share, part in zip(self.caps, self.shares, used, strict=True)
            if part >= share * (1.0 - BINDING_SLACK)
        )

    def rounded(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weights without what rounding put above a cap; an asset that no cap binds receives it."""
        kept = weights.copy()
        for row, share in zip(self.members > 0.0, self.shares, strict=True):
            while (total := math.fsum(kept[row])) > share:
                kept[row] *= min(share / total, 1.0) * (1.0 - EPSILON)
        for place in np.argsort(-kept, kind="stable"):
            given = kept.copy()
            given[place] += 1.0 - math.fsum(kept)
            if self.allow(given):
                return given
        return kept


@lru_cache(maxsize=64)
def feasible_caps(caps: tuple[Cap, ...], names: tuple[str, ...]) -> FeasibleCaps:
    """The caps as rows over the assets ``names``.

    Raises InvalidSetting for a malformed cap, and where the caps together leave no portfolio.
    """
    twice = sorted({cap.name for cap in caps if [other.name for other in caps].count(cap.name) > 1})
    if twice:
        raise InvalidSetting(
            f"{', '.join(twice)} is given twice", remedy="Give every group a name of its own."
        )
    for cap in caps:
        _require_sound(cap, names)
    members = np.array([[float(name in cap.symbols) for name in names] for cap in caps]).reshape(
        -1, len(names)
    )
    shares = np.array([cap.max_share for cap in caps])
    largest = _largest_sum(members, shares)
    interior = _interior(caps, names, shares=shares, largest=largest)
    for shared in (members, shares, interior):
        shared.setflags(write=False)
    return FeasibleCaps(caps=caps, members=members, shares=shares, interior=interior)


def _require_sound(cap: Cap, names: tuple[str, ...]) -> None:
    unknown = [symbol for symbol in cap.symbols if symbol not in names]
    if unknown:
        raise InvalidSetting(
            f"{cap.name} names {', '.join(unknown)}, which is not one of the assets ({', '.join(names)})",
            remedy="Name assets by their symbol, or leave it out of the group.",
        )
    if not cap.symbols:
        raise InvalidSetting(
            f"{cap.name} names no asset", remedy="Name at least one, or leave the group out."
        )
    if not 0.0 < cap.max_share <= 1.0:
        raise InvalidSetting(
            f"{cap.name} is {cap.max_share}, not a share above 0 and at most 1",
            remedy="Set max_share to a fraction: 0.4 is 40 % of the risk assets' value.",
        )


def _largest_sum(members: NDArray[np.float64], shares: NDArray[np.float64]) -> Minimum:
    """The non-negative weights with the largest sum within the caps, as even as that sum allows."""
    n = members.shape[1]
    lengths = np.sqrt(members.sum(axis=1))
    return minimise(
        hessian=EVENNESS * np.eye(n),
        linear=np.ones(n),
        rows=np.vstack([members / lengths[:, None], np.eye(n), -np.eye(n)]),
        limits=np.concatenate([shares / lengths, np.ones(n), np.zeros(n)]),
        start=np.zeros(n),
    )


def _interior(
    caps: tuple[Cap, ...], names: tuple[str, ...], *, shares: NDArray[np.float64], largest: Minimum
) -> NDArray[np.float64]:
    """Weights (n,) far inside the caps."""
    point = largest.point
    total = math.fsum(point)
    if total < 1.0 - ROUNDING:
        raise _infeasible(caps, largest.multipliers[: len(caps)], total)
    if total > 1.0 + ROUNDING:
        # Scaled down to sum 1 the point has slack; half of that slack goes to even weights, which leaves none at 0.
        even = float(shares.min(initial=1.0)) / len(names)
        mixed = 0.5 * (total - 1.0) / total
        point = (1.0 - mixed) * point + mixed * even
    left_out = [name for name, weight in zip(names, point, strict=True) if weight <= ROUNDING]
    if left_out:
        raise InvalidSetting(
            f"the caps {_listed(caps)} force the weight of {', '.join(left_out)} to zero",
            remedy="Raise max_share of one of them.",
        )
    return np.asarray(point / point.sum(), dtype=np.float64)


def _infeasible(caps: tuple[Cap, ...], multipliers: NDArray[np.float64], total: float) -> InvalidSetting:
    responsible = [cap for cap, multiplier in zip(caps, multipliers, strict=True) if multiplier > ROUNDING]
    return InvalidSetting(
        f"the caps {_listed(responsible)} allow {total:.6g} of the risk assets' value in all, not 1",
        remedy="Raise max_share of one of them: the shares of all assets must be able to sum to 1.",
    )


def _listed(caps: Sequence[Cap]) -> str:
    return ", ".join(f"{cap.name} {cap.max_share:g}" for cap in caps)

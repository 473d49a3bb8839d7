"""Caps on the share of single assets and of groups in the value of all risk assets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.policy import AssetPolicy, Group
from keeper.risk.quadratic import minimise

ROUNDING = 1e-12
TIGHT = 1e-9
SPREAD = 1e-3
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Cap:
    """These assets together are at most ``max_share`` of the value of all risk assets."""

    name: str
    symbols: tuple[str, ...]
    max_share: float


def caps_of(assets: Sequence[AssetPolicy], groups: Sequence[Group]) -> tuple[Cap, ...]:
    """Every cap that can bind: ``max_share:SYMBOL`` and ``group:NAME``."""
    single = (Cap(f"max_share:{asset.symbol}", (asset.symbol,), asset.max_share) for asset in assets)
    grouped = (Cap(f"group:{group.name}", group.symbols, group.max_share) for group in groups)
    return tuple(cap for cap in (*single, *grouped) if not cap.max_share >= 1.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """Feasible caps of n assets: ``members @ weights <= shares``; ``inside`` are positive weights that obey."""

    caps: tuple[Cap, ...]
    members: NDArray[np.float64]
    shares: NDArray[np.float64]
    inside: NDArray[np.float64]

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
            if part >= share * (1.0 - TIGHT)
        )

    def rounded(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weights with what rounding put above a cap taken off, and given to an asset with room for it."""
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
def limits(caps: tuple[Cap, ...], names: tuple[str, ...]) -> Limits:
    """The caps as rows. Raises InvalidSetting where one is malformed or together they leave no portfolio."""
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
    inside = _inside(caps, members, shares, names)
    for shared in (members, shares, inside):
        shared.setflags(write=False)
    return Limits(caps, members, shares, inside)


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


def _inside(
    caps: tuple[Cap, ...], members: NDArray[np.float64], shares: NDArray[np.float64], names: tuple[str, ...]
) -> NDArray[np.float64]:
    """Weights far inside the caps, by the largest sum that they allow, spread as evenly as it can be."""
    n = len(names)
    lengths = np.sqrt(members.sum(axis=1))
    rows = np.vstack([members / lengths[:, None], np.eye(n), -np.eye(n)])
    bounds = np.concatenate([shares / lengths, np.ones(n), np.zeros(n)])
    widest = minimise(SPREAD * np.eye(n), np.ones(n), rows, bounds, np.zeros(n))
    total = math.fsum(widest.point)
    if total < 1.0 - ROUNDING:
        raise _infeasible(caps, widest.multipliers[: len(caps)], total)
    point = widest.point
    if total > 1.0 + ROUNDING:
        even = float(shares.min(initial=1.0)) / n
        mixed = 0.5 * (total - 1.0) / total
        point = (1.0 - mixed) * point + mixed * even
    left_out = [name for name, weight in zip(names, point, strict=True) if weight <= ROUNDING]
    if left_out:
        raise InvalidSetting(
            f"the caps {_listed(caps)} leave no room for {', '.join(left_out)} beside the others",
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

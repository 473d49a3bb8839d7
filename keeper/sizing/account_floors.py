"""What each of a vault's accounts must keep, as rows of a linear programme."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from keeper.domain.policy import SizePolicy
from keeper.sizing.account_terms import AccountTerms

FLOOR_MARGIN = 1.005
"""The cheapest placement puts an account on its floor. A trade that costs more than expected still ends above it."""


@dataclass(frozen=True, slots=True)
class Floors:
    """What every account must keep. ``health_factor`` by the settings and the vault, ``vault_health_factor`` by the
    vault after the part ``largest_loss`` of the collateral is lost to trading, ``stress_health_factor`` after each of
    ``losses`` (fractions by asset). One protocol holds at most ``max_venue_share`` of the collateral, where others can
    hold the rest. ``no_worse``: an account that is below a floor need not reach it, and must not fall further."""

    health_factor: float
    vault_health_factor: float
    largest_loss: float
    stress_health_factor: float
    losses: tuple[tuple[float, ...], ...]
    max_venue_share: float
    no_worse: bool = False

    def times(self, factor: float) -> Floors:
        """Each floor times ``factor``, and a limit on the share of one protocol divided by it."""
        share = self.max_venue_share
        return replace(
            self,
            max_venue_share=min(1.0, share / factor) if share < 1.0 else share,
            health_factor=self.health_factor * factor,
            vault_health_factor=self.vault_health_factor * factor,
            stress_health_factor=self.stress_health_factor * factor,
        )


@dataclass(frozen=True, slots=True)
class FloorRow:
    """``floor`` times the debt is at most the collateral, each USD of which counts as much as ``counted`` says by
    asset, and ``lacking_usd``: what is missing today and nothing that can be done would bring."""

    name: str
    floor: float
    counted: tuple[float, ...]
    lacking_usd: float


def floors_of(
    size: SizePolicy, *, vault_floor: float, largest_loss: float, losses: Iterable[Sequence[float]]
) -> Floors:
    """``losses`` are those after which an account must still have the stress health factor."""
    return Floors(
        health_factor=max(size.min_health_factor, vault_floor) * FLOOR_MARGIN,
        vault_health_factor=vault_floor,
        largest_loss=largest_loss,
        stress_health_factor=size.stress_health_factor,
        losses=tuple(tuple(loss) for loss in losses),
        max_venue_share=size.max_venue_share,
    )


def floor_rows(account: AccountTerms, floors: Floors) -> Iterator[FloorRow]:
    """Of one account. A floor that is inf lets it owe only what cannot be repaid."""
    for name, floor, counted in _counted(account, floors):
        kept = floor
        if floors.no_worse and account.owed_usd > 0.0:
            kept = min(floor, _weighed(counted, account.held_usd) / account.owed_usd)
        lacking = 0.0
        if math.isfinite(kept):
            lacking = max(0.0, kept * account.min_owed_usd - _weighed(counted, account.most_usd))
        yield FloorRow(name, kept, counted, lacking_usd=lacking)


def _counted(account: AccountTerms, floors: Floors) -> Iterator[tuple[str, float, tuple[float, ...]]]:
    thresholds, vault = account.thresholds, floors.vault_health_factor
    yield "health_factor", floors.health_factor, thresholds
    lost = vault * floors.largest_loss
    yield "vault_health_factor", vault, tuple(max(0.0, threshold - lost) for threshold in thresholds)
    yield "borrowing_power", 1.0, account.ltvs
    for losses in floors.losses:
        left = (1.0 - min(1.0, loss) for loss in losses)
        counted = tuple(threshold * part for threshold, part in zip(thresholds, left, strict=True))
        yield "stress", floors.stress_health_factor, counted


def _weighed(counted: Sequence[float], amounts: Sequence[float]) -> float:
    """What does not count adds nothing, however much of it there may be."""
    pairs = zip(counted, amounts, strict=True)
    return math.fsum(value * amount for value, amount in pairs if value > 0.0)

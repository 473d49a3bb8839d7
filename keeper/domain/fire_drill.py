"""The fire drill: which joint falls of the assets the vault survives by one emergency call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from keeper.domain.hindrances import Hindrance
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan

FALLS = (0.0, 0.1, 0.2, 0.3, 0.5)
"""Joint falls of all risk assets that are tried, fractions, ascending. The first is the present."""


@dataclass(frozen=True, slots=True)
class DrillTrial:
    """An emergency call to be tried on the node's block with the fall in place. ``fallen`` are market and vault after
    the fall, ``recovered_at`` is the health factor that the call must reach."""

    fall: float
    fallen: MarketSnapshot
    plan: RebalancePlan
    recovered_at: float


@dataclass(frozen=True, slots=True)
class DrillCheck:
    """What the node said of a trial. ``revert`` is the decoded reason, empty on success; ``health_factor`` is the one
    after the call, 0 after a revert."""

    fall: float
    revert: str
    health_factor: float


@dataclass(frozen=True, slots=True)
class FallOutcome:
    """One fall. ``health_factor`` is the one after it, inf without debt.

    Where a call is needed and can be planned, ``steps`` counts its steps, ``gas_limit`` and ``fee_wei`` are what it
    takes at the drill's price of gas, and ``ends_at`` is the health factor that it is expected to reach; else they are
    0. ``hindrance`` is None where the fall is survived. ``detail`` is one sentence. ``check`` is the node's word, None
    where it was not asked."""

    fall: float
    health_factor: float
    steps: int
    gas_limit: int
    fee_wei: int
    ends_at: float
    hindrance: Hindrance | None
    detail: str
    check: DrillCheck | None = None

    @property
    def survived(self) -> bool:
        return self.hindrance is None


@dataclass(frozen=True, slots=True)
class FireDrill:
    """``outcomes`` are of the vault as it is, in the order of ``FALLS``; empty where nothing could be computed.
    ``after_trade`` are those of the vault after the considered trade, where it buys risk. ``checked``: a node confirmed
    every call that is needed; ``note`` says why it did not."""

    outcomes: tuple[FallOutcome, ...]
    checked: bool
    note: str = ""
    after_trade: tuple[FallOutcome, ...] = ()

    @property
    def survivable_fall(self) -> float | None:
        """The largest fall up to which every tried one is survived. None where that is unknown."""
        return largest_survived(self.outcomes) if self.outcomes else None

    @property
    def hindered(self) -> FallOutcome | None:
        """The smallest fall that is not survived."""
        return first_hindered(self.outcomes)


def largest_survived(outcomes: Sequence[FallOutcome]) -> float:
    """0 also where not even the present is survived."""
    survived = takewhile(lambda outcome: outcome.survived, outcomes)
    return max((outcome.fall for outcome in survived), default=0.0)


def first_hindered(outcomes: Sequence[FallOutcome]) -> FallOutcome | None:
    """The smallest fall that is not survived."""
    return next((outcome for outcome in outcomes if not outcome.survived), None)


def survives(outcomes: Sequence[FallOutcome], fall: float) -> bool:
    """Whether every tried fall up to this one is survived, and the next larger one where none is as large."""
    reached = next((outcome.fall for outcome in outcomes if outcome.fall >= fall), None)
    return reached is not None and all(outcome.survived for outcome in outcomes if outcome.fall <= reached)

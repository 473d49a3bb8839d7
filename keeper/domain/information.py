"""What a look at the market knew, and what the keeper remembers of the last look that missed nothing."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.evidence import ImpliedReading
from keeper.domain.model import Bound
from keeper.domain.prices import asset_of_series


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a look knew, such as "bars:WETH" or "borrow_cap". A higher ``amount`` is better information."""

    name: str
    amount: float

    @property
    def subject(self) -> str:
        """The asset or option market that it is about; empty for a fact about the vault or its market."""
        return asset_of_series(self.name.partition(":")[2])


@dataclass(frozen=True, slots=True)
class MissingFact:
    """A fact that a look misses. ``since`` is the block's time at which it was first missed, or last became worse."""

    name: str
    amount: float
    since: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Bars of an asset without a close: they ended from ``since`` to ``until``, Unix seconds. ``symbol`` is an
    ``exchange_series`` where they are an exchange's."""

    symbol: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class SeenCloses:
    """The closes of an exchange that a look knew. ``series`` is an ``exchange_series``; ``sha256`` is of their times
    and values."""

    series: str
    sha256: str


@dataclass(frozen=True, slots=True)
class InformedLook:
    """The last look that missed nothing: what it knew, estimated and allowed.

    Later looks that miss something raise ``covariance`` and lower ``bounds`` and ``leverage``, never the reverse.
    ``as_of`` is its block's time. ``covariance`` is annualised, row-major (n, n), in the order of ``symbols``;
    ``unit_weights`` (n,) sum to 1. ``leverage`` is its target's, of the whole NAV; ``unqueued_leverage`` is that of the
    NAV left after the line of redemptions, which held ``pending_shares``, raw. ``gaps`` are the bars that it did not
    have either. ``seen_closes`` are those of the exchanges that helped slow feeds.
    """

    as_of: int
    symbols: tuple[str, ...]
    facts: tuple[Fact, ...]
    gaps: tuple[Gap, ...]
    implied: tuple[ImpliedReading, ...]
    covariance: tuple[tuple[float, ...], ...]
    unit_weights: tuple[float, ...]
    binding_caps: tuple[str, ...]
    bounds: tuple[Bound, ...]
    leverage: float
    unqueued_leverage: float
    pending_shares: int
    seen_closes: tuple[SeenCloses, ...] = ()


@dataclass(frozen=True, slots=True)
class WorstLoss:
    """Losses of the assets at one time in the price history, as fractions (``RiskModel.worst_losses``), and the block's
    time at which they were last seen there."""

    symbols: tuple[str, ...]
    losses: tuple[float, ...]
    seen_at: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A person's word that what ``facts`` still know is enough. ``number`` counts from 1; ``at`` is Unix seconds."""

    number: int
    facts: tuple[Fact, ...]
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class InformationMemory:
    """What earlier looks leave to the next one. The default is the first start's.

    ``look`` is None where no look was fully informed yet. ``missing`` are the facts that the last look missed, the
    accepted ones included. ``accepted`` are those that a person accepted, with the amount that was accepted.
    ``acceptance`` is the number of the last acceptance that was applied.
    """

    look: InformedLook | None = None
    missing: tuple[MissingFact, ...] = ()
    accepted: tuple[Fact, ...] = ()
    acceptance: int = 0
    worst_losses: tuple[WorstLoss, ...] = ()


NOTHING_REMEMBERED = InformationMemory()

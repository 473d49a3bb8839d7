"""The option market as a cycle would read it now, with the expiries that its number came from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from keeper.app.backfill import now
from keeper.cycle.run import underlyings
from keeper.domain.errors import FeedUnavailable
from keeper.domain.evidence import ImpliedReading
from keeper.feeds.deribit import BookSlice, Deribit
from keeper.settings.policy import policy
from keeper.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class OptionView:
    """``book`` is None where the option book is of no use; ``why_not`` then says why."""

    reading: ImpliedReading
    book: BookSlice | None
    why_not: str


@dataclass(frozen=True, slots=True)
class OptionMarket:
    """``as_of`` in Unix seconds, by the chain."""

    as_of: int
    horizon_s: int
    found: tuple[OptionView, ...]


def option_market(settings: Settings, progress: Callable[[str], None]) -> OptionMarket:
    """Raises InvalidSetting; what Deribit does not say is in the views."""
    wanted = policy(settings)
    as_of, horizon_s = now(settings, progress), wanted.decision.horizon_s
    with closing(Deribit(settings.deribit_url)) as deribit:
        readings = deribit.read(underlyings(wanted), as_of, horizon_s)
        found = tuple(_view(deribit, reading, as_of, horizon_s) for reading in readings)
    return OptionMarket(as_of, horizon_s, found)


def _view(deribit: Deribit, reading: ImpliedReading, as_of: int, horizon_s: int) -> OptionView:
    try:
        return OptionView(reading, deribit.slice_of(reading.underlying, as_of, horizon_s), "")
    except FeedUnavailable as error:
        return OptionView(reading, None, error.message)

"""The option market as a cycle would read it now, with the expiries behind each number."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from keeper.app.backfill import now
from keeper.cycle.observe import underlyings
from keeper.domain.errors import FeedUnavailable
from keeper.domain.evidence import ImpliedReading
from keeper.feeds.deribit import BookSlice, Deribit
from keeper.settings.policy import policy
from keeper.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class OptionView:
    """``book`` is None where the option book cannot be used; ``reason`` then says why."""

    reading: ImpliedReading
    book: BookSlice | None
    reason: str


@dataclass(frozen=True, slots=True)
class OptionMarket:
    """``as_of`` in Unix seconds, by the chain."""

    as_of: int
    horizon_s: int
    views: tuple[OptionView, ...]


def option_market(settings: Settings, progress: Callable[[str], None]) -> OptionMarket:
    """Raises InvalidSetting. An underlying without data has a view with the reason."""
    strategy = policy(settings)
    as_of, horizon_s = now(settings, progress), strategy.decision.horizon_s
    with closing(Deribit(settings.deribit_url)) as deribit:
        readings = deribit.read(underlyings(strategy), as_of, horizon_s)
        views = tuple(_view(deribit, reading, as_of, horizon_s=horizon_s) for reading in readings)
    return OptionMarket(as_of, horizon_s, views)


def _view(deribit: Deribit, reading: ImpliedReading, as_of: int, horizon_s: int) -> OptionView:
    try:
        return OptionView(reading, deribit.slice_of(reading.underlying, as_of, horizon_s), "")
    except FeedUnavailable as error:
        return OptionView(reading, None, error.message)

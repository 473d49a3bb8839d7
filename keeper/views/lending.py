"""The reserves of the lending market: what borrowing costs there, and what stops it."""

from __future__ import annotations

from keeper.domain.market import Reserve
from keeper.views import formats as unit
from keeper.views.view import Field, View


def _stopped(reserve: Reserve) -> str:
    states = (
        ("inactive", not reserve.active),
        ("frozen", reserve.frozen),
        ("paused", reserve.paused),
        ("no borrowing", not reserve.borrowing_enabled),
    )
    return ", ".join(name for name, holds in states if holds) or "open"


RESERVE = View[Reserve](
    "reserves",
    symbol=Field(unit.TEXT, "The asset."),
    utilisation=Field(
        unit.FRACTION, "Borrowed / supplied.", lambda it: it.borrowed / it.supplied if it.supplied else None
    ),
    borrow_rate=Field(unit.FRACTION_2, "Rate of debt, a year."),
    supply_rate=Field(unit.FRACTION_2, "Rate of collateral, a year."),
    state=Field(unit.TEXT, "open, or what is stopped.", _stopped),
)

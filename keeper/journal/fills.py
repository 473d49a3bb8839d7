"""Executed swaps, one row each. They are written with their decision record, and read to learn trading costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from keeper.domain.errors import JournalCorrupt
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.plan import Route
from keeper.domain.record import DecisionRecord
from keeper.journal import schema
from keeper.journal.store import Journal


def rows(record: DecisionRecord) -> Iterator[dict[str, Any]]:
    """Rows of table ``fills``. Raw amounts are text, because they do not fit 64 bits."""
    for place, swap in enumerate(record.executed_swaps):
        yield {
            "record_id": record.record_id,
            "place": place,
            "sold": swap.sold,
            "bought": swap.bought,
            "route": _written(swap.route),
            "value_usd": swap.value_usd,
            "fair_out": str(swap.fair_out),
            "quoted_out": str(swap.quoted_out),
            "simulated_out": None if swap.simulated_out is None else str(swap.simulated_out),
            "realised_out": str(swap.realised_out),
            "fees_bps": swap.fees_bps,
            "at": swap.at,
        }


class StoredFills:
    """``ports.ExecutedSwaps`` on the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def latest(self, limit: int) -> tuple[ExecutedSwap, ...]:
        """ports.ExecutedSwaps. Raises JournalCorrupt."""
        table = schema.fills
        query = select(table).order_by(table.c.entry.desc(), table.c.place.desc()).limit(limit)
        return tuple(_swap(row) for row in reversed(self._journal.rows(query)))

    def between(self, since: int, until: int) -> tuple[ExecutedSwap, ...]:
        """The swaps that were decided on in [since, until), Unix seconds, oldest first. Raises JournalCorrupt."""
        table = schema.fills
        chosen = select(table).where(table.c.at >= since, table.c.at < until)
        return tuple(map(_swap, self._journal.rows(chosen.order_by(table.c.entry, table.c.place))))


def _swap(row: Any) -> ExecutedSwap:
    simulated = row.simulated_out
    try:
        return ExecutedSwap(
            sold=row.sold,
            bought=row.bought,
            route=_read(row.route),
            value_usd=row.value_usd,
            fair_out=int(row.fair_out),
            quoted_out=int(row.quoted_out),
            simulated_out=None if simulated is None else int(simulated),
            realised_out=int(row.realised_out),
            fees_bps=row.fees_bps,
            at=row.at,
        )
    except ValueError as error:
        raise JournalCorrupt(
            f"a fill of record {row.record_id[:12]} cannot be read: {error}",
            remedy="`keeper journal verify` names the row that was changed.",
        ) from error


def _written(route: Route) -> str:
    """ "USDC 500 WETH 3000 LINK"."""
    hops = (f"{fee} {symbol}" for fee, symbol in zip(route.fees, route.symbols[1:], strict=True))
    return " ".join((route.symbols[0], *hops))


def _read(text: str) -> Route:
    words = text.split(" ")
    return Route(tuple(words[0::2]), tuple(int(fee) for fee in words[1::2]))

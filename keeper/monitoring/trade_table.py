"""The weights before and after a trade as a table of plain text, for a channel without layout."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.plan import PostState
from keeper.domain.portfolio import Portfolio
from keeper.views.decision import AssetRow
from keeper.views.formats import percent, ratio

HEADINGS = ("", "before", "after", "target")


def trade_table(held: Portfolio, realised: PostState | None, rows: Sequence[AssetRow]) -> str:
    """One line for each asset, then leverage and health factor. "after" is empty where nothing was read back."""
    lines = [HEADINGS]
    for place, row in enumerate(rows):
        symbol = row.holding.feed.symbol
        after = percent(realised.weights[held.symbols.index(symbol)]) if realised is not None else ""
        lines.append(
            (symbol, percent(row.holding.weight), after, percent(row.conclusions.target.weights[place]))
        )
    target = rows[0].conclusions.target if rows else None
    lines += [
        (
            "leverage",
            ratio(held.leverage),
            ratio(realised.leverage) if realised is not None else "",
            ratio(target.leverage) if target is not None else "",
        ),
        (
            "health factor",
            ratio(held.health_factor),
            ratio(realised.health_factor) if realised is not None else "",
            ratio(target.health_factor) if target is not None else "",
        ),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )

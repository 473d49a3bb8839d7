"""What ``keeper data`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from keeper.app.option_market import OptionMarket
from keeper.app.venue_bars import Filled
from keeper.cli.output import plain_table
from keeper.risk.coverage import Coverage, is_enough


def filled_table(results: Sequence[Filled]) -> RenderableType:
    """A line for each asset, and below them why a source gave no more."""
    table = plain_table("asset", "source", ">new", ">known", ">contradicting", "from", "to")
    for filled in results:
        span = ("–", "–") if filled.span is None else (_minute(filled.span[0]), _minute(filled.span[1]))
        added = filled.added
        counts = (f"{count:,}" for count in (added.new, added.same, added.different))
        table.add_row(filled.symbol, filled.source, *counts, *span)
    failures = [
        Text(f"{filled.symbol}: {filled.failure}", style="red") for filled in results if filled.failure
    ]
    return Group(table, *failures)


def coverage_page(assets: Sequence[Coverage], together: int, needed: int) -> RenderableType:
    table = plain_table(
        *("asset", ">expected", ">rounds", ">candles", ">missing", ">returns", "oldest", "longest gap")
    )
    for asset in assets:
        counts = (asset.expected, asset.from_rounds, asset.from_candles, asset.missing)
        table.add_row(
            asset.symbol,
            *(f"{count:,}" for count in counts),
            Text(f"{asset.returns:,}", style="" if asset.returns >= needed else "bold red"),
            "–" if asset.oldest is None else _minute(asset.oldest)[:10],
            "–" if asset.gap is None else f"{_minute(asset.gap[0])}–{_minute(asset.gap[1])}",
        )
    lines = [
        Text(f"{asset.symbol}: no round of its feed is stored: run `keeper data backfill --source rounds`")
        for asset in assets
        if asset.from_rounds == 0
    ]
    enough = is_enough(assets, together, needed)
    verdict = Text(
        f"{together:,} returns in common; each asset and all together need estimate.min_bars = {needed:,}: "
        + ("enough" if enough else "NOT ENOUGH"),
        style="" if enough else "bold red",
    )
    return Group(table, *lines, verdict)


def coverage_object(assets: Sequence[Coverage], together: int, needed: int, exit_code: int) -> dict[str, Any]:
    """What ``--json`` prints; times in Unix seconds."""
    return {
        "assets": [
            {
                "symbol": asset.symbol,
                "expected": asset.expected,
                "from_rounds": asset.from_rounds,
                "from_candles": asset.from_candles,
                "missing": asset.missing,
                "returns": asset.returns,
                "longest_gap": None if asset.gap is None else {"from": asset.gap[0], "to": asset.gap[1]},
                "oldest": asset.oldest,
            }
            for asset in assets
        ],
        "returns_together": together,
        "min_bars": needed,
        "exit_code": exit_code,
    }


def _minute(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


def implied_page(market: OptionMarket) -> RenderableType:
    """For each underlying the volatility that a cycle would use and why, and the expiries of its option book."""
    parts: list[RenderableType] = [
        Text(f"as of {_minute(market.as_of)} UTC, to a horizon of {market.horizon_s / 86_400:g} days")
    ]
    for implied in market.views:
        reading, book = implied.reading, implied.book
        volatility = "none" if reading.volatility is None else f"{reading.volatility:.2%}"
        parts.append(Text(f"\n{reading.underlying}: {volatility}, {reading.source}", style="bold"))
        if reading.reason:
            parts.append(Text(f"  {reading.reason}"))
        if book is None:
            parts.append(Text(f"  no option book: {implied.reason}", style="yellow"))
            continue
        table = plain_table("  expiry", ">days", ">at the money", ">marks", ">weight of its variance")
        for expiry in book.expiries:
            table.add_row(
                f"  {_minute(expiry.expiry)}",
                f"{expiry.days:.1f}",
                f"{expiry.volatility:.2%}",
                str(expiry.marks),
                f"{expiry.weight:.1%}",
            )
        parts += [table, Text(f"  the book to the horizon: {book.volatility:.2%}")]
    return Group(*parts)


def implied_object(market: OptionMarket) -> dict[str, Any]:
    """What ``--json`` prints; volatilities are fractions a year."""
    return {
        "as_of": market.as_of,
        "horizon_s": market.horizon_s,
        "underlyings": [
            {
                **asdict(implied.reading),
                "book_volatility": None if implied.book is None else implied.book.volatility,
                "book_reason": implied.reason,
                "expiries": []
                if implied.book is None
                else [asdict(expiry) for expiry in implied.book.expiries],
            }
            for implied in market.views
        ],
    }

"""What ``keeper data`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.app.backfill import Filled
from keeper.app.option_market import OptionMarket
from keeper.risk.coverage import Coverage, is_enough


def filled_table(results: Sequence[Filled]) -> RenderableType:
    """A line for each asset, and under them why a source gave no more."""
    table = _table("asset", "source", right=("new", "known", "contradicting"), then=("from", "to"))
    for one in results:
        span = ("–", "–") if one.span is None else (_minute(one.span[0]), _minute(one.span[1]))
        added = one.added
        table.add_row(
            one.symbol, one.source, f"{added.new:,}", f"{added.same:,}", f"{added.different:,}", *span
        )
    failures = [Text(f"{one.symbol}: {one.failure}", style="red") for one in results if one.failure]
    return Group(table, *failures)


def coverage_page(found: Sequence[Coverage], together: int, needed: int) -> RenderableType:
    table = _table(
        "asset",
        right=("expected", "rounds", "candles", "missing", "returns"),
        then=("oldest", "longest gap"),
    )
    for one in found:
        gap = "–" if one.gap is None else f"{_minute(one.gap[0])}–{_minute(one.gap[1])}"
        counts = (one.expected, one.from_rounds, one.from_candles, one.missing)
        table.add_row(
            one.symbol,
            *(f"{count:,}" for count in counts),
            Text(f"{one.returns:,}", style="" if one.returns >= needed else "bold red"),
            "–" if one.oldest is None else _minute(one.oldest)[:10],
            gap,
        )
    lines = [
        Text(f"{one.symbol}: its feed has no stored round: `keeper data backfill --source rounds`")
        for one in found
        if one.from_rounds == 0
    ]
    enough = is_enough(found, together, needed)
    verdict = Text(
        f"{together:,} returns in common; each asset and all together need estimate.min_bars = {needed:,}: "
        + ("enough" if enough else "NOT ENOUGH"),
        style="" if enough else "bold red",
    )
    return Group(table, *lines, verdict)


def coverage_object(found: Sequence[Coverage], together: int, needed: int, exit_code: int) -> dict[str, Any]:
    """What ``--json`` prints; times in Unix seconds."""
    return {
        "assets": [
            {
                "symbol": one.symbol,
                "expected": one.expected,
                "from_rounds": one.from_rounds,
                "from_candles": one.from_candles,
                "missing": one.missing,
                "returns": one.returns,
                "longest_gap": None if one.gap is None else {"from": one.gap[0], "to": one.gap[1]},
                "oldest": one.oldest,
            }
            for one in found
        ],
        "returns_together": together,
        "min_bars": needed,
        "exit_code": exit_code,
    }


def _table(*left: str, right: Sequence[str], then: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in left:
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right")
    for heading in then:
        table.add_column(heading, no_wrap=True)
    return table


def _minute(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


def implied_page(seen: OptionMarket) -> RenderableType:
    """For each underlying what a cycle would use and why, and the expiries that the option book's number is made of."""
    parts: list[RenderableType] = [
        Text(f"as of {_minute(seen.as_of)} UTC, to a horizon of {seen.horizon_s / 86_400:g} days")
    ]
    for one in seen.found:
        reading = one.reading
        said = "none" if reading.volatility is None else f"{reading.volatility:.2%}"
        parts.append(Text(f"\n{reading.underlying}: {said}, {reading.source}", style="bold"))
        if reading.reason:
            parts.append(Text(f"  {reading.reason}"))
        if one.book is None:
            parts.append(Text(f"  no option book: {one.why_not}", style="yellow"))
            continue
        table = _table("  expiry", right=("days", "at the money", "marks", "weight of its variance"), then=())
        for used in one.book.expiries:
            table.add_row(
                f"  {_minute(used.expiry)}",
                f"{used.days:.1f}",
                f"{used.volatility:.2%}",
                str(used.marks),
                f"{used.weight:.1%}",
            )
        parts += [table, Text(f"  the book to the horizon: {one.book.volatility:.2%}")]
    return Group(*parts)


def implied_object(seen: OptionMarket) -> dict[str, Any]:
    return {
        "as_of": seen.as_of,
        "horizon_s": seen.horizon_s,
        "underlyings": [
            {
                "underlying": one.reading.underlying,
                "volatility": one.reading.volatility,
                "observed_at": one.reading.observed_at,
                "source": one.reading.source,
                "reason": one.reading.reason,
                "book_volatility": None if one.book is None else one.book.volatility,
                "book_reason": one.why_not,
                "expiries": []
                if one.book is None
                else [
                    {
                        "expiry": used.expiry,
                        "days": used.days,
                        "volatility": used.volatility,
                        "marks": used.marks,
                        "weight": used.weight,
                    }
                    for used in one.book.expiries
                ],
            }
            for one in seen.found
        ],
    }

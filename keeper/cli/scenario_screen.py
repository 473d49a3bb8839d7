"""A scenario on the terminal: a line for each cycle, then what it came to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from keeper.cli.output import facts
from keeper.devnet.scenario.hours import HourRecord, ScenarioResult
from keeper.devnet.scenario.promises import moment_of, promises
from keeper.report.numbers import number, percent
from keeper.views.formats import money, ratio


def hour_line(hour: HourRecord) -> Text:
    """When, what the vault was worth and how it stood, what the keeper did and why."""
    nav = money(hour.nav_usd) if hour.nav_usd is not None else "–"
    leverage = ratio(hour.leverage) if hour.leverage is not None else "–"
    line = Text(f"{moment_of(hour.at)}  {nav:>12}  L {leverage}  HF {number(hour.health_factor)}  ")
    line.append(f"{hour.outcome.value:<9}", style="bold" if hour.sent else "red" if hour.error else "dim")
    line.append(hour.reason, style="" if hour.sent else "dim")
    line.truncate(220, overflow="ellipsis")
    return line


def screen(result: ScenarioResult) -> RenderableType:
    rows = summary_rows(result)
    parts: list[RenderableType] = [Text(), Text(result.title, style="bold"), facts(rows)]
    for promise in promises(result):
        kept = Text("✓ " if promise.kept else "✗ ", style="green" if promise.kept else "red")
        parts.append(kept.append(promise.name))
    parts += [Text(f"Left out: {each}", style="yellow") for each in result.left_out]
    parts += [Text(note, style="dim") for note in result.notes]
    return Group(*parts)


def summary_rows(result: ScenarioResult) -> tuple[tuple[str, str], ...]:
    """Names and values."""
    return tuple(_rows(result))


def _rows(result: ScenarioResult) -> Iterator[tuple[str, str]]:
    hours, sent = result.hours, result.sent
    outcomes = Counter(hour.outcome.value for hour in hours)
    levers = [hour.leverage for hour in hours if hour.leverage is not None]
    fall = result.smallest_survivable_fall
    yield "assets", ", ".join(result.symbols)
    yield "cycles", ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    failed = Counter(hour.error for hour in hours if hour.error)
    if failed:
        yield "failures", ", ".join(f"{count} {name}" for name, count in failed.most_common())
    stuck = max(
        (
            len(list(run))
            for has_failed, run in groupby(hours, key=lambda hour: bool(hour.error))
            if has_failed
        ),
        default=0,
    )
    if stuck > 1:
        yield "longest failure", f"{stuck} cycles in a row"
    yield "NAV", f"{money(result.first_nav_usd)} to {money(result.last_nav_usd)}"
    yield "leverage", f"{ratio(min(levers))} to {ratio(max(levers))}" if levers else "–"
    yield "bound on leverage", ", ".join(f"{name} {count}" for name, count in result.bindings.items()) or "–"
    yield "lowest health factor", f"{number(result.lowest_health_factor)} at any block"
    yield "survivable fall", percent(math.nan if fall is None else fall, 0) + " at worst"
    realised, forecast = percent(result.realised_volatility), percent(result.mean_target_volatility)
    asked = percent(result.target_policy)
    yield "volatility", f"{realised} realised, target portfolio {forecast}, strategy {asked}"
    yield "costs", ", ".join(f"{name} {money(usd)}" for name, usd in _costs(sent).items())
    answers, swaps = sum(hour.answers for hour in hours), sum(hour.swaps for hour in hours)
    yield "market", f"{answers} answers of feeds, {swaps} swaps of the arbitrageur"
    others = len(result.liquidated_others)
    yield "liquidations", f"{others} of others, {result.refused_liquidations} refused by the market"
    pace = result.wall_s / result.days
    yield "time", f"{result.wall_s:.0f} s for {result.days:.1f} days: {pace:.1f} s a day"


def _costs(sent: Sequence[HourRecord]) -> dict[str, float]:
    return {
        "pool fees": math.fsum(hour.fees_usd for hour in sent),
        "impact": math.fsum(hour.impact_usd for hour in sent),
        "flash premium": math.fsum(hour.flash_usd for hour in sent),
        "gas": math.fsum(hour.gas_usd for hour in sent),
    }

"""A scenario as one self-contained page: what it came to, charts, and every cycle with its reason. No script in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from keeper.devnet.scenario.hours import HourRecord, ScenarioResult
from keeper.devnet.scenario.promises import Promise, moment_of, promises
from keeper.report.colours import ALARM, QUIET, STRATEGY
from keeper.report.numbers import number, percent
from keeper.views.formats import money, ratio
from keeper.web.chart import Chart, ChartLine, Times, chart

HIGHEST_HEALTH_FACTOR = 6.0
STYLE = f"""
svg {{ width: 100%; max-width: 900px; overflow: visible; font-size: 9px; fill: var(--soft); }}
svg path {{ fill: none; stroke-width: 1.4; vector-effect: non-scaling-stroke; }}
svg .now {{ stroke: {STRATEGY}; }}
svg .target {{ stroke: {QUIET}; }}
svg .alarm {{ stroke: {ALARM}; stroke-dasharray: 4 3; }}
svg line {{ stroke: var(--line); }}
"""


def page(result: ScenarioResult, rows: Sequence[tuple[str, str]]) -> str:
    """The whole document. ``rows`` are the figures of the summary, names and values."""
    css = (files("keeper.report") / "page.css").read_text(encoding="utf-8")
    kept = "".join(_promise(each) for each in promises(result))
    figures = "".join(
        f'<tr><td>{escape(name)}</td><td class="reason">{escape(value)}</td></tr>' for name, value in rows
    )
    notes = "".join(f"<div>{escape(note)}</div>" for note in (*result.left_out, *result.notes))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(result.name)}: the keeper in a scenario</title>
<style>{css}{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(result.title)}</h1>
<p class="source">{moment_of(result.begins)} to {moment_of(result.ends)} UTC, a cycle every
{result.step_s // 60} minutes, on the real contracts of a local chain.</p>
<h2>Promises</h2>
<div class="scroll"><table>{kept}</table></div>
<h2>Figures</h2>
<div class="scroll"><table>{figures}</table></div>
{"".join(_drawn(each) for each in _charts(result))}
<h2>Every cycle</h2>
<p class="caption">NAV, leverage and health factor are those before the cycle acted.</p>
<div class="scroll"><table><tr><th>UTC</th><th>NAV</th><th>leverage</th><th>target</th><th>health</th>
<th>gas, gwei</th><th class="text">outcome</th><th class="text">reason</th></tr>
{"".join(_row(hour) for hour in result.hours)}</table></div>
<footer>{notes}</footer>
</main>
</body>
</html>
"""


def _charts(result: ScenarioResult) -> Iterator[Chart]:
    hours = result.hours
    times = Times([float(hour.at) for hour in hours], result.step_s)
    finite = [min(hour.lowest_health, HIGHEST_HEALTH_FACTOR) for hour in hours]
    act = [result.act_health_factor] * len(hours)
    made = (
        chart(
            "nav",
            "NAV, USD",
            times=times,
            lines=[ChartLine("now", "NAV", [hour.nav_usd for hour in hours])],
            text=money,
        ),
        chart(
            "leverage",
            "Leverage, and the target's",
            times=times,
            lines=[
                ChartLine("now", "held", [hour.leverage for hour in hours]),
                ChartLine("target", "target", [hour.target_leverage for hour in hours]),
            ],
            text=ratio,
        ),
        chart(
            "health",
            "Lowest health factor of each hour, and the emergency level",
            times=times,
            lines=[ChartLine("now", "lowest", finite), ChartLine("alarm", "emergency level", act)],
            text=number,
        ),
        chart(
            "fall",
            "Survivable fall",
            times=times,
            lines=[ChartLine("now", "survivable", [hour.survivable_fall for hour in hours])],
            text=lambda value: percent(value, 0),
        ),
        chart(
            "gas",
            "Base fee, gwei",
            times=times,
            lines=[ChartLine("now", "base fee", [hour.base_fee_gwei for hour in hours])],
            text=lambda value: number(value, 0),
        ),
    )
    yield from (each for each in made if each is not None)


def _drawn(drawing: Chart) -> str:
    paths = "".join(
        f'<path class="{line.kind}" d="{line.path}"><title>{escape(line.name)}</title></path>'
        for line in drawing.lines
    )
    ticks = "".join(
        f'<line x1="{drawing.left}" x2="{drawing.right}" y1="{tick.place}" y2="{tick.place}"/>'
        f'<text x="{drawing.left - 4}" y="{tick.place + 3}" text-anchor="end">{escape(tick.label)}</text>'
        for tick in drawing.ticks
    )
    times = "".join(
        f'<text x="{tick.place}" y="{drawing.height - 8}" text-anchor="middle">{escape(tick.label)}</text>'
        for tick in drawing.times
    )
    return (
        f'<h2>{escape(drawing.title)}</h2><p class="caption">{escape(drawing.summary)}</p>'
        f'<svg id="{drawing.name}" viewBox="0 0 {drawing.width} {drawing.height}" role="img">'
        f"{ticks}{times}{paths}</svg>"
    )


def _promise(promise: Promise) -> str:
    style = "text" if promise.kept else "text bad"
    verdict = "kept" if promise.kept else "; ".join(promise.broken)
    return f'<tr><td>{escape(promise.name)}</td><td class="{style}">{escape(verdict)}</td></tr>'


def _row(hour: HourRecord) -> str:
    nav = money(hour.nav_usd) if hour.nav_usd is not None else "–"
    cells = [
        moment_of(hour.at),
        nav,
        ratio(hour.leverage) if hour.leverage is not None else "–",
        ratio(hour.target_leverage) if hour.target_leverage is not None else "–",
        number(hour.health_factor),
        number(hour.base_fee_gwei, 0),
    ]
    numbers = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    outcome = f'<td class="text{" bad" if hour.error else ""}">{escape(hour.outcome.value)}</td>'
    events = "".join(f" Liquidated: {name}." for name in hour.liquidated)
    return f'<tr>{numbers}{outcome}<td class="reason">{escape(hour.reason + events)}</td></tr>'

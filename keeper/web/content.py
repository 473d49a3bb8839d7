"""What the page says: the texts of the views, in the order of the page. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keeper.domain.record import CycleOutcome, DecisionRecord
from keeper.monitoring.daemon_state import DaemonState, ready
from keeper.views import columns
from keeper.views.decision import ASSET, BOUND, GATE, OPINION, asset_rows, opinion_rows
from keeper.views.drill import FALL, drill_line
from keeper.views.explanation import why
from keeper.views.feeds import FEED, feed_rows
from keeper.views.formats import age, moment, percent, ratio
from keeper.views.lending import ACCOUNT, RESERVE, account_rows
from keeper.views.lines import daily_budgets_line, nodes_line, redemptions_line
from keeper.views.pending import PENDING
from keeper.views.plan import CHECK
from keeper.views.record import RECORD, pause_report, record_information_line
from keeper.views.trend import TrendPoint, trend_point
from keeper.views.vault import HOLDING, NODE, holding_rows
from keeper.views.view import Item, View
from keeper.web.attention import Banner, banners, known_records
from keeper.web.chart import Chart, ChartLine, Times, chart
from keeper.web.reading import PENDING_SHOWN, SHOWN_RECORDS, JournalReading
from keeper.web.tables import PageTable, table_of

HEALTH_FACTOR_SCALE = 3.0
"""Health factors above this many times the floor are drawn at the upper edge: far from the floor their size says
nothing."""
UNREAD = "Not known: the journal is not read."
MARK_OF_OUTCOME = {CycleOutcome.FAILED: "bad", CycleOutcome.DECLINED: "warn", CycleOutcome.SENT: "good"}

FIGURES = (
    ("NAV", "{nav_usd}", "cash {cash_usd}, debt {debt_usd}"),
    ("Leverage", "{leverage}", "target {target_leverage}, bound by {binding}"),
    ("Health factor", "{health_factor}", "floor {health_factor_floor}, at target {target_health_factor}"),
    ("Survivable fall", "{drill.survivable_fall}", "of all assets together, by one emergency call"),
    ("Volatility a year", "{volatility}", "target {target_volatility}"),
)
HOLDINGS = (
    ("asset", "{symbol}"),
    (">value", "{value_usd}"),
    (">weight", "{weight}"),
    (">target", "{target_weight}"),
    (">share of risk", "{risk_share}"),
    (">target", "{target_risk_share}"),
    (">budget", "{budget}"),
    (">volatility", "{volatility.blended}"),
)
HELD = (("asset", "{symbol}"), (">value", "{value_usd}"), (">weight", "{weight}"))
FEEDS = (
    ("asset", "{symbol}"),
    (">price USD", "{price_usd}"),
    (">age then", "{age_s}"),
    (">fresh up to", "{max_age_s}"),
    ("trust", "{trust}"),
    ("rule", "{rule}"),
    ("", "{reason}"),
)
OPINIONS = (*columns.OPINIONS[:4], (">observed", "{observed_at}"), *columns.OPINIONS[4:])
RESERVES = (
    ("asset", "{symbol}"),
    (">utilisation", "{utilisation}"),
    (">borrowing costs", "{borrow_rate}"),
    (">supplying earns", "{supply_rate}"),
    ("state", "{state}"),
)
NODES = (
    ("node", "{endpoint}"),
    (">requests", "{round_trips}"),
    (">received", "{bytes_received}"),
    ("left out because", "{note}"),
)
FALLS = (
    ("fall", "{fall}"),
    (">health factor after it", "{health_factor}"),
    ("in the way", "{hindrance}"),
    ("", "{detail}"),
)
PENDING_ROWS = (
    ("status", "{status}"),
    (">nonce", "{nonce}"),
    (">epoch", "{epoch}"),
    (">decided", "{since}"),
    (">attempts", "{attempts}"),
    (">max gwei", "{max_fee_gwei}"),
    ("newest transaction", "{tx_hash}"),
)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    name: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class ShownDecision:
    """One record, with what unfolds."""

    record_id: str
    at: str
    mode: str
    action: str
    outcome: str
    mark: str
    reason: str
    why: tuple[str, ...]
    tables: tuple[PageTable, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """``facts`` and ``run`` are pairs of a name and a text. ``read_at`` says when what is held was read."""

    title: str
    at: str
    run: tuple[tuple[str, str], ...]
    banners: tuple[Banner, ...]
    figures: tuple[KeyFigure, ...]
    why: tuple[str, ...]
    read_at: str = ""
    holdings: PageTable | None = None
    bounds: PageTable | None = None
    charts: tuple[Chart, ...] = ()
    charts_note: str = ""
    decisions: tuple[ShownDecision, ...] = ()
    pending: PageTable | None = None
    pending_note: str = ""
    feeds: PageTable | None = None
    venues: tuple[PageTable, ...] = ()
    falls: PageTable | None = None
    facts: tuple[tuple[str, str], ...] = ()


def page_of(reading: JournalReading, state: DaemonState, now: float) -> Page:
    """``now`` is Unix seconds. What is held comes from the newest cycle that read the vault."""
    known = known_records(reading.records, state)
    newest, read, trend = known.newest, known.read, _with_newer(reading.trend, known.records)
    inputs = read.inputs if read is not None else None
    return Page(
        title=_title(state),
        at=moment(now),
        run=tuple(_run_facts(state, now)),
        banners=tuple(banners(known, state, now, pauses=reading.pauses)),
        figures=tuple(_figures(read)) if read is not None else (),
        why=why(newest) if newest is not None else (),
        read_at=_read_at(read, now),
        holdings=_holdings(read),
        bounds=_bounds(read),
        charts=_charts(trend),
        charts_note=_charts_note(trend, reading.unread),
        decisions=tuple(map(_decision, known.records[:SHOWN_RECORDS])),
        pending=_table_if_any(PENDING, reading.pending, PENDING_ROWS, title="Pending transactions"),
        pending_note=_pending_note(reading, state),
        feeds=table_of(FEED, feed_rows(inputs.snapshot), FEEDS, title="Price feeds") if inputs else None,
        venues=tuple(_venues(read)),
        falls=_table_if_any(
            FALL, inputs.drill.outcomes if inputs and inputs.drill else (), FALLS, title="Fire drill"
        ),
        facts=tuple(_facts(read, reading.journal)),
    )


def trouble_page(name: str, text: str, *, state: DaemonState, now: float) -> Page:
    """Without the journal: why it is not read, and what the daemon itself knows."""
    known = known_records((), state)
    newest, read = known.newest, known.read
    return Page(
        title=_title(state),
        at=moment(now),
        run=tuple(_run_facts(state, now)),
        banners=tuple(banners(known, state, now, pauses=None, trouble=Banner("bad", name, text))),
        figures=tuple(_figures(read)) if read is not None else (),
        why=why(newest) if newest is not None else (),
        read_at=_read_at(read, now),
        pending_note=UNREAD,
    )


def bare_page(name: str, text: str, *, state: DaemonState, now: float) -> Page:
    """As ``trouble_page``, without any record: no view of one can fail it."""
    return Page(
        title=_title(state),
        at=moment(now),
        run=tuple(_run_facts(state, now)),
        banners=(Banner("bad", name, text),),
        figures=(),
        why=(),
        pending_note=UNREAD,
    )


def _title(state: DaemonState) -> str:
    return f"keeper · {state.started.mode.value}" if state.started is not None else "keeper"


def _run_facts(state: DaemonState, now: float) -> Iterator[tuple[str, str]]:
    """When the daemon looks and how it is, without the journal."""
    if state.next_look_at is None:
        yield "next run", "the schedule has none"
    else:
        wait = state.next_look_at - now
        late = f"in {age(wait)}" if wait >= 0 else f"{age(-wait)} late"
        yield "next run", f"{moment(state.next_look_at)}, {late}"
    if state.in_cycle and state.began_at is not None:
        yield "now", f"a cycle runs since {age(now - state.began_at)}"
    elif state.ended_at is not None:
        yield "last run", f"ended {age(now - state.ended_at)} ago"
    if state.started is not None:
        started = state.started
        yield "schedule", f"{started.schedule}; keeper {started.code_version} since {moment(started.at)}"
    verdict = ready(state, now)
    yield "ready", f"{'yes' if verdict.passed else 'NO'}: {verdict.reason}"


def _read_at(read: DecisionRecord | None, now: float) -> str:
    return "" if read is None else f"{moment(read.started_at)}, {age(now - read.started_at)} ago"


def _pending_note(reading: JournalReading, state: DaemonState) -> str:
    """What the table does not say. What is sent while the journal cannot be written is not in it."""
    if not state.journal_writable:
        others = "There may be others" if reading.pending else "Not known"
        return f"{others}: the journal cannot be written."
    if len(reading.pending) >= PENDING_SHOWN:
        return f"At most the newest {PENDING_SHOWN} are shown. `keeper status` lists all."
    return "" if reading.pending else "None."


def _figures(read: DecisionRecord) -> Iterator[KeyFigure]:
    for name, value, detail in FIGURES:
        yield KeyFigure(name, RECORD.text(read, value), RECORD.text(read, detail))


def _holdings(read: DecisionRecord | None) -> PageTable | None:
    if read is None or read.inputs is None:
        return None
    title = "What it holds, against its target"
    if read.conclusions is None:
        return table_of(HOLDING, holding_rows(read.inputs.snapshot), HELD, title=title)
    return table_of(ASSET, asset_rows(read), HOLDINGS, title=title)


def _venues(read: DecisionRecord | None) -> Iterator[PageTable]:
    """The lending market, the other sources of prices, and the nodes."""
    if read is None or read.inputs is None:
        return
    if read.inputs.snapshot.others:
        yield table_of(ACCOUNT, account_rows(read.inputs.snapshot), columns.ACCOUNTS, title="Accounts")
    yield table_of(RESERVE, read.inputs.snapshot.reserves, RESERVES, title="Lending market")
    opinions = opinion_rows(read)
    if opinions:
        yield table_of(OPINION, opinions, OPINIONS, title="Prices of pools and exchanges")
    if read.nodes:
        yield table_of(NODE, read.nodes, NODES, title="Nodes")


def _bounds(read: DecisionRecord | None) -> PageTable | None:
    if read is None or read.conclusions is None:
        return None
    bounds = sorted(read.conclusions.target.bounds, key=lambda bound: bound.leverage)
    return table_of(BOUND, bounds, columns.BOUNDS, title="Bounds on leverage")


def _charts(trend: Sequence[TrendPoint]) -> tuple[Chart, ...]:
    steps = [point.next_look_at - point.at for point in trend if point.next_look_at is not None]
    times = Times([point.at for point in trend], step_s=max(steps, default=0.0))
    floors = [point.health_factor_floor for point in trend if point.health_factor_floor is not None]
    drawn = (
        chart(
            "leverage",
            "Leverage",
            times=times,
            lines=(
                ChartLine("now", "leverage", [point.leverage for point in trend]),
                ChartLine("target", "target", [point.target_leverage for point in trend]),
                ChartLine("alarm", "vault's limit", [point.max_leverage for point in trend]),
            ),
            text=ratio,
        ),
        chart(
            "health",
            "Health factor",
            times=times,
            lines=(
                ChartLine("now", "health factor", [point.health_factor for point in trend]),
                ChartLine("limit", "floor", [point.health_factor_floor for point in trend]),
                ChartLine("alarm", "vault's emergency", [point.emergency_health_factor for point in trend]),
            ),
            text=ratio,
            highest=HEALTH_FACTOR_SCALE * max(floors, default=1.0),
        ),
        chart(
            "fall",
            "Survivable fall",
            times=times,
            lines=(
                ChartLine("now", "survivable fall", [point.survivable_fall for point in trend]),
                ChartLine("limit", "needed to take more risk", [point.min_fall for point in trend]),
            ),
            text=lambda value: percent(value, 0),
        ),
    )
    return tuple(it for it in drawn if it is not None)


def _with_newer(trend: Sequence[TrendPoint], records: Sequence[DecisionRecord]) -> tuple[TrendPoint, ...]:
    """With the points of those ``records``, the newest first, that the journal does not have yet."""
    last = trend[-1].at if trend else -math.inf
    newer = [trend_point(record) for record in reversed(records) if record.started_at > last]
    return (*trend, *newer)


def _charts_note(trend: Sequence[TrendPoint], unread: int) -> str:
    if not trend:
        return ""
    first, last = trend[0].at, trend[-1].at
    more = f" {unread:,} older ones follow with the next updates." if unread else ""
    return f"{len(trend):,} cycles, {moment(first)} to {moment(last)}.{more}"


def _decision(record: DecisionRecord) -> ShownDecision:
    tables = []
    if record.conclusions is not None:
        tables.append(table_of(GATE, record.conclusions.decision.gates, columns.GATES, title="Gates"))
    if record.verdict is not None:
        checks = record.verdict.checks
        tables.append(table_of(CHECK, checks, columns.CHECKS, title="Checks of the simulation"))
    if record.post_trade:
        title = "Checks after the transaction"
        tables.append(table_of(CHECK, record.post_trade, columns.CHECKS, title=title))
    return ShownDecision(
        record_id=record.record_id,
        at=moment(record.started_at),
        mode=record.mode.value,
        action=RECORD.text(record, "{action}"),
        outcome=record.outcome.value,
        mark=MARK_OF_OUTCOME.get(record.outcome, "soft"),
        reason=record.summary,
        why=why(record),
        tables=tuple(tables),
    )


def _facts(read: DecisionRecord | None, journal: str) -> Iterator[tuple[str, str]]:
    if read is not None and read.inputs is not None:
        snapshot = read.inputs.snapshot
        yield "vault", RECORD.text(read, "{vault}")
        yield "block", RECORD.text(read, "{block.number}, {block.timestamp}, chain {block.chain_id}")
        yield "epoch", RECORD.text(read, "{epoch}, last rebalance {last_rebalance}")
        role = "keeper role" if snapshot.keeper_has_role else "NO keeper role"
        yield "key", RECORD.text(read, f"{{keeper.address}}, {{keeper.balance_eth}} ETH for gas, {role}")
        yield "redemptions", redemptions_line(snapshot)
        report = pause_report(read)
        if report is not None:
            yield "budgets", daily_budgets_line(report)
        yield "fire drill", drill_line(read.inputs.drill)
        yield "information", record_information_line(read)
        if read.nodes:
            yield "nodes", nodes_line(read.nodes, read.quorum)
    yield "journal", journal


def _table_if_any(
    view: View[Item], items: Sequence[Item], shown: Sequence[tuple[str, str]], *, title: str
) -> PageTable | None:
    return table_of(view, items, shown, title=title) if items else None

"""A decision record as a page: where the vault is, where it should be, what that takes, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keeper.cli.output import pause_text, plain_table, table_of
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.plan import RebalancePlan, Step, StepKind
from keeper.domain.record import CycleOutcome, DecisionRecord, Mode
from keeper.domain.units import BPS, UINT256_MAX, usd
from keeper.views import columns
from keeper.views.costs import COUNTED_COST
from keeper.views.decision import ASSET, BOUND, GATE, OPINION, asset_rows, opinion_rows
from keeper.views.formats import amount
from keeper.views.lines import BANNERS, daily_budgets_line, nodes_line, pause_lines, redemptions_line
from keeper.views.plan import CHECK
from keeper.views.record import RECORD, pause_report, record_information_line, trade_costs

OUTCOMES = {
    CycleOutcome.HELD: "nothing sent",
    CycleOutcome.DECLINED: "not sent",
    CycleOutcome.WOULD_SEND: "would be sent",
    CycleOutcome.SENT: "sent and mined",
    CycleOutcome.FAILED: "failed",
}
BLOCK_LINES = (
    "block {block.number} · {block.timestamp} · chain {block.chain_id}\nvault {vault} · epoch {epoch}"
)
COST_LINE = (
    "Cost {plan.cost_usd.total}: gas {plan.cost_usd.gas}, pool fees {plan.cost_usd.fees}, "
    "slippage {plan.cost_usd.slippage}, flash loan {plan.cost_usd.flash}. "
    "Turnover {plan.turnover_usd}, at most {plan.gas_limit} gas."
)
POSTPONED = " {plan.postponed_usd} are left to later cycles: a block has no gas for them."
WORTH = (
    "Worth {benefit_usd}, expected to cost {expected_cost_usd}; "
    "{remaining} NAVs of weight changes left to the target."
)
MINED = "\ntransaction {receipt.tx_hash} in block {receipt.block_number}, {receipt.gas_used} gas"
EFFORT = "{read_round_trips} round trips to read, {rpc_round_trips} in all, {bytes_received} · {compute_ms} computing"


def page(record: DecisionRecord, *, verbose: bool = False) -> RenderableType:
    """The screen of one cycle. ``verbose`` adds every bound on leverage, opinions on prices and volatilities'
    provenance."""
    return Group(*_sections(record, verbose=verbose))


def _sections(record: DecisionRecord, *, verbose: bool) -> Iterator[RenderableType]:
    yield _header(record)
    inputs, conclusions = record.inputs, record.conclusions
    if inputs is not None and conclusions is not None:
        # Two tables, because one of all columns is wider than 80.
        yield table_of(ASSET, asset_rows(record), columns.ASSETS, title="Prices and volatilities")
        yield table_of(ASSET, asset_rows(record), columns.WEIGHTS, title="Weights")
        yield from _notes(record, inputs.snapshot)
        yield _vault(record, inputs.snapshot)
        if verbose:
            bounds = sorted(conclusions.target.bounds, key=lambda bound: bound.leverage)
            yield table_of(OPINION, opinion_rows(record), columns.OPINIONS, title="Prices of other sources")
            yield table_of(BOUND, bounds, columns.BOUNDS, title="Bounds on leverage")
            yield table_of(
                ASSET, asset_rows(record), columns.PROVENANCE, title="Provenance of the volatilities"
            )
        if conclusions.plan is not None:
            yield _steps(conclusions.plan, inputs.snapshot)
            postponed = POSTPONED if conclusions.plan.postponed_usd else ""
            yield Text(RECORD.text(record, COST_LINE + postponed))
        gates = conclusions.decision.gates
        judged = next((f", limits judged at {gate.urgency}" for gate in gates if gate.kind != "trigger"), "")
        yield table_of(GATE, gates, columns.GATES, title=f"Gates{judged}")
        yield Text(RECORD.text(record, WORTH))
        if record.verdict is not None:
            by = f" by {record.simulation.method}" if record.simulation is not None else ""
            yield table_of(
                CHECK, record.verdict.checks, columns.CHECKS, title=f"Checks of the simulation{by}"
            )
        if record.post_trade:
            yield table_of(
                CHECK, record.post_trade, columns.CHECKS, title="Checks after the transaction was mined"
            )
        if inputs.learned_costs or conclusions.decision.pool_costs:
            title = "Trading costs, bps of value, without gas"
            yield table_of(COUNTED_COST, trade_costs(record), columns.TRADE_COSTS, title=title)
    yield _conclusion(record)


def _header(record: DecisionRecord) -> RenderableType:
    word, meaning = BANNERS[record.mode]
    lines = [Text.assemble((word, "bold red" if record.mode.sends else "bold cyan"), f" · {meaning}")]
    report = pause_report(record)
    if report is not None:
        lines.append(pause_text(pause_lines(report.pause_state.pauses, vault_paused=report.vault_paused)))
        lines.append(Text(daily_budgets_line(report)))
    if record.inputs is not None:
        lines += [Text(nodes_line(record.nodes, record.quorum))] if record.nodes else []
        lines.append(Text(RECORD.text(record, BLOCK_LINES)))
    return Group(*lines)


def _notes(record: DecisionRecord, snapshot: MarketSnapshot) -> Iterator[RenderableType]:
    """What an operator would otherwise miss: feeds that are not trusted, caps that changed the target."""
    for feed in snapshot.feeds:
        if feed.trust is not Trust.FRESH:
            yield Text(f"! {feed.symbol} feed is {feed.trust.value}: {feed.reason}", style="yellow")
    if snapshot.sequencer is not None and not snapshot.sequencer.up:
        yield Text("! the L2 sequencer is down", style="yellow")
    if record.conclusions is not None and record.conclusions.target.missing:
        yield Text(f"! {record_information_line(record)}", style="yellow")
    if record.conclusions is not None and record.conclusions.target.binding_caps:
        yield Text(RECORD.text(record, "target weights bound by {binding_caps}"))


def _vault(record: DecisionRecord, snapshot: MarketSnapshot) -> Table:
    after = "realised" if record.realised is not None else "simulation"
    read = "read from the chain" if record.realised is not None else "simulated"
    rows: list[Sequence[str]] = [
        ("NAV", "{nav_usd}", "", "{AFTER.nav_usd}", "cash {cash_usd}, debt {debt_usd}"),
        ("leverage", "{leverage}", "{target_leverage}", "{AFTER.leverage}", "bound by {binding}"),
        (
            *("health factor", "{health_factor}", "{target_health_factor}", "{AFTER.health_factor}"),
            "floor {health_factor_floor}",
        ),
        ("volatility", "{volatility}", "{target_volatility}", "", "at leverage 1: {unit_volatility}"),
    ]
    if snapshot.redemptions.pending_shares:
        rows.insert(2, ("redemptions", "{redemptions.value_usd}", "", "", redemptions_line(snapshot)))
    table = plain_table("", ">now", ">target", f">after, {read}", "", title="Vault")
    for row in rows:
        table.add_row(*(RECORD.text(record, template.replace("AFTER", after)) for template in row))
    return table


def _steps(plan: RebalancePlan, snapshot: MarketSnapshot) -> Table:
    debt = snapshot.debt_token
    flash = f", inside a flash loan of {amount(plan.flash_amount, debt.decimals)} {debt.symbol}"
    title = f"Steps of one {plan.call.value} transaction{flash if plan.flash_amount else ''}"
    table = plain_table(">#", "step", ">amount", ">for", ">against oracle", "pools", title=title)
    for place, step in enumerate(plan.steps, start=1):
        table.add_row(str(place), *_step_cells(step, snapshot))
    return table


def _step_cells(step: Step, snapshot: MarketSnapshot) -> tuple[str, str, str, str, str]:
    if step.route is None:
        token = snapshot.token(step.symbol)
        everything = step.amount == UINT256_MAX
        raw = max(step.expected_in, step.expected_out) if everything else step.amount
        quantity = f"{amount(raw, token.decimals)} {token.symbol}{' (all)' if everything else ''}"
        where = f"account {step.account}" if snapshot.others else ""
        return step.kind.value.lower(), quantity, where, "", ""
    sold, bought = snapshot.token(step.route.symbols[0]), snapshot.token(step.route.symbols[-1])
    paid = usd(step.expected_in, sold.decimals, snapshot.price(sold.symbol))
    received = usd(step.expected_out, bought.decimals, snapshot.price(bought.symbol))
    between = (*(f" {symbol} " for symbol in step.route.symbols[1:-1]), "")
    return (
        "swap, exact in" if step.kind is StepKind.SWAP_EXACT_IN else "swap, exact out",
        f"{amount(step.expected_in, sold.decimals)} {sold.symbol}",
        f"{amount(step.expected_out, bought.decimals)} {bought.symbol}",
        f"{(received / paid - 1) * BPS:+.1f} bps" if paid > 0 else "–",
        "".join(f"{fee / 10_000:g}%{hop}" for fee, hop in zip(step.route.fees, between, strict=True)),
    )


def _conclusion(record: DecisionRecord) -> RenderableType:
    text = Text(record.summary)
    if record.failure is not None:
        text.append(f"\n{record.failure.remedy}")
    if record.receipt is not None:
        text.append(RECORD.text(record, MINED))
    kept = "" if record.mode is Mode.SIMULATE else "record {record_id:.12} · "
    text.append(f"\n{RECORD.text(record, kept + EFFORT)}", style="dim")
    action = f"{record.conclusions.decision.action.value}, " if record.conclusions is not None else ""
    title = f"{BANNERS[record.mode][0]}: {action}{OUTCOMES[record.outcome]}"
    failed = record.outcome in (CycleOutcome.FAILED, CycleOutcome.DECLINED)
    return Panel(text, title=title, title_align="left", border_style="red" if failed else "green")

"""A decision record as a page: where the vault is, where it should be, what that takes, and why."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keeper.cli.as_json import opinions_of
from keeper.cli.costs import expected_table
from keeper.cli.pause_state import day_line, pause_line
from keeper.cli.words import (
    BANNERS,
    age,
    amount,
    moment,
    money,
    nodes_line,
    number,
    percent,
    price,
    ratio,
    redemptions_line,
)
from keeper.domain.decision import Decision, Gate
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.plan import Check, RebalancePlan, Step, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.record import Conclusions, CycleOutcome, DecisionRecord
from keeper.domain.units import BPS, UINT256_MAX, USD, WAD, usd
from keeper.planning.checks import MUST_HOLD, POST_TRADE_CHECKS
from keeper.sizing.redemptions import queued_usd

PIPED_WIDTH = 100
MAY_FAIL = frozenset(POST_TRADE_CHECKS) - frozenset(MUST_HOLD)


def console(*, to_stderr: bool = False) -> Console:
    """For people: coloured on a terminal, plain and 100 columns wide in a pipe."""
    result = Console(stderr=to_stderr, highlight=False)
    if not result.is_terminal:
        result.width = PIPED_WIDTH
    return result


def page(record: DecisionRecord, *, verbose: bool = False) -> RenderableType:
    """The screen of one cycle. ``verbose`` adds every bound on leverage and volatilities' provenance."""
    return Group(*_sections(record, verbose=verbose))


def _sections(record: DecisionRecord, *, verbose: bool) -> Iterator[RenderableType]:
    yield _header(record)
    inputs, conclusions = record.inputs, record.conclusions
    if inputs is not None and conclusions is not None:
        yield _assets(inputs.snapshot, conclusions)
        yield from _notes(record)
        yield _vault(record, inputs.snapshot, conclusions)
        if verbose:
            yield _opinions(record)
            yield _bounds(conclusions)
            yield _provenance(conclusions)
        if conclusions.plan is not None:
            yield _steps(conclusions.plan, inputs.snapshot)
            yield _costs(conclusions.plan)
        yield _gates(conclusions.decision.gates)
        yield _worth(conclusions.decision)
        if record.verdict is not None:
            yield _checks("Checks of the simulation", record.verdict.checks)
        if record.post_trade:
            yield _checks("Checks of what was mined", record.post_trade)
        if inputs.learned_costs or conclusions.decision.pool_costs:
            yield expected_table(inputs, conclusions.decision)
    yield _conclusion(record)


def _header(record: DecisionRecord) -> RenderableType:
    word, meaning = BANNERS[record.mode]
    style = "bold red" if record.mode.sends else "bold cyan"
    line = Text.assemble((f"{word}", style), f" · {meaning}")
    if record.inputs is None:
        return line
    block = record.inputs.snapshot.block
    vault = record.inputs.snapshot.vault
    pause_state, policy = record.inputs.pause_state, record.inputs.policy
    pause_store = (
        (
            "\n",
            pause_line(pause_state.pauses, vault_paused=vault.paused),
            "\n",
            day_line(pause_state, policy.daily),
        )
        if pause_state is not None
        else ()
    )
    nodes = nodes_line(record.nodes, record.quorum) if record.nodes else ""
    return Text.assemble(
        line,
        *pause_store,
        f"\n{nodes}" if nodes else "",
        f"\nblock {block.number:,} · {moment(block.timestamp)} · chain {block.chain_id}"
        f"\nvault {vault.address} · epoch {vault.epoch}",
    )


def _assets(snapshot: MarketSnapshot, conclusions: Conclusions) -> Table:
    table = Table(title="Assets", title_justify="left", box=None, pad_edge=False, padding=(0, 1))
    table.add_column("asset", no_wrap=True)
    for heading in ("price USD", "feed, age", "EWMA", "implied", "blended"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("weight\nnow → target", justify="right", no_wrap=True)
    table.add_column("share of risk\nnow → target", justify="right", no_wrap=True)
    table.add_column("budget", justify="right", no_wrap=True)
    target, current = conclusions.target, conclusions.decision.current
    for index, risk in enumerate(conclusions.model.assets):
        feed = snapshot.feeds[snapshot.index(risk.symbol)]
        seen = age(snapshot.block.timestamp - feed.round.updated_at)
        trusted = feed.trust is Trust.FRESH
        table.add_row(
            risk.symbol,
            price(feed.price_usd),
            Text(seen) if trusted else Text(f"{seen} {feed.trust.value}", style="bold red"),
            percent(risk.ewma),
            percent(risk.implied),
            percent(risk.blended),
            f"{percent(current.weights[index])} → {percent(target.weights[index])}",
            f"{percent(current.risk_shares[index])} → {percent(target.risk_shares[index])}",
            percent(target.budgets[index]),
        )
    return table


def _notes(record: DecisionRecord) -> Iterator[RenderableType]:
    """What an operator would otherwise miss: feeds not trusted, caps that changed the target."""
    if record.inputs is None:
        return
    snapshot = record.inputs.snapshot
    for feed in snapshot.feeds:
        if feed.trust is not Trust.FRESH:
            yield Text(f"! {feed.symbol} feed is {feed.trust.value}: {feed.reason}", style="yellow")
    if snapshot.sequencer is not None and not snapshot.sequencer.up:
        yield Text("! the L2 sequencer is down", style="yellow")
    caps = record.conclusions.target.binding_caps if record.conclusions is not None else ()
    if caps:
        yield Text(f"target weights bound by {', '.join(caps)}")


def _opinions(record: DecisionRecord) -> Table:
    table = _section("What others say of the prices")
    table.add_column("asset", no_wrap=True)
    table.add_column("source", no_wrap=True)
    table.add_column("USD", justify="right", no_wrap=True)
    table.add_column("from the feed", justify="right", no_wrap=True)
    table.add_column("")
    for one in opinions_of(record):
        if one.price_usd is None or record.inputs is None:
            table.add_row(one.symbol, one.source, "–", "–", one.reason, style="dim")
            continue
        ours = record.inputs.snapshot.price(one.symbol) / USD
        gap = f"{(one.price_usd / ours - 1) * BPS:+,.1f} bps" if ours > 0 else "–"
        table.add_row(one.symbol, one.source, price(one.price_usd), gap, one.reason)
    return table


def _vault(record: DecisionRecord, snapshot: MarketSnapshot, conclusions: Conclusions) -> Table:
    now, target = portfolio(snapshot), conclusions.target
    after = record.realised or (record.simulation.post if record.simulation is not None else None)
    read = "read from the chain" if record.realised is not None else "simulated"
    table = _section("Vault")
    table.add_column("", no_wrap=True)
    table.add_column("now", justify="right", no_wrap=True)
    table.add_column("target", justify="right", no_wrap=True)
    table.add_column(f"after, {read}" if after is not None else "after", justify="right", no_wrap=True)
    table.add_column("")
    debt = f"cash {money(now.cash_usd)}, debt {money(now.debt_usd)}"
    table.add_row("NAV", money(now.nav_usd), "", money(after.nav_usd) if after else "–", debt)
    table.add_row(
        "leverage",
        ratio(now.leverage),
        ratio(target.leverage),
        ratio(after.leverage) if after else "–",
        f"bound by {target.binding}",
    )
    if snapshot.redemptions is not None and snapshot.redemptions.pending_shares:
        table.add_row("redemptions", money(queued_usd(snapshot)), "", "", redemptions_line(snapshot))
    floor = snapshot.vault.policy.min_health_factor / WAD
    if record.inputs is not None:
        floor = max(floor, record.inputs.policy.size.min_health_factor)
    table.add_row(
        "health factor",
        ratio(now.health_factor),
        ratio(target.health_factor),
        ratio(after.health_factor) if after else "–",
        f"floor {ratio(floor)}",
    )
    table.add_row(
        "volatility",
        percent(conclusions.decision.current.volatility),
        percent(target.volatility),
        "",
        f"at leverage 1: {percent(target.unit_volatility)}",
    )
    return table


def _bounds(conclusions: Conclusions) -> Table:
    table = _section("Bounds on leverage")
    table.add_column("bound", no_wrap=True)
    table.add_column("leverage", justify="right", no_wrap=True)
    table.add_column("how it came out")
    binding = conclusions.target.binding
    for bound in sorted(conclusions.target.bounds, key=lambda entry: entry.leverage):
        style = "bold" if bound.name == binding else ""
        table.add_row(bound.name, ratio(bound.leverage), bound.detail, style=style)
    return table


def _provenance(conclusions: Conclusions) -> Table:
    table = _section("Where the volatilities are from")
    table.add_column("asset", no_wrap=True)
    table.add_column("bars", justify="right", no_wrap=True)
    table.add_column("weight of implied", justify="right", no_wrap=True)
    table.add_column("")
    for risk in conclusions.model.assets:
        table.add_row(risk.symbol, f"{risk.bars:,}", percent(risk.implied_weight, 0), risk.provenance)
    return table


def _steps(plan: RebalancePlan, snapshot: MarketSnapshot) -> Table:
    flash = ""
    if plan.flash_amount:
        debt = snapshot.debt_token
        flash = f", inside a flash loan of {amount(plan.flash_amount, debt.decimals)} {debt.symbol}"
    table = _section(f"Steps of one {plan.call.value} transaction{flash}")
    table.add_column("#", justify="right")
    table.add_column("step", no_wrap=True)
    table.add_column("amount", justify="right", no_wrap=True)
    table.add_column("for", justify="right", no_wrap=True)
    table.add_column("against oracle", justify="right", no_wrap=True)
    table.add_column("pools", no_wrap=True)
    for place, step in enumerate(plan.steps, start=1):
        table.add_row(str(place), *_step_cells(step, snapshot))
    return table


def _step_cells(step: Step, snapshot: MarketSnapshot) -> tuple[str, str, str, str, str]:
    if step.route is None:
        token = snapshot.token(step.symbol)
        raw = step.amount if step.amount != UINT256_MAX else max(step.expected_in, step.expected_out)
        words = f"{amount(raw, token.decimals)} {token.symbol}"
        return step.kind.value.lower(), words + (" (all)" if step.amount == UINT256_MAX else ""), "", "", ""
    sold, bought = snapshot.token(step.route.symbols[0]), snapshot.token(step.route.symbols[-1])
    paid = usd(step.expected_in, sold.decimals, snapshot.price(sold.symbol))
    got = usd(step.expected_out, bought.decimals, snapshot.price(bought.symbol))
    loss = f"{(got / paid - 1) * BPS:+.1f} bps" if paid > 0 else "–"
    exact = "exact in" if step.kind is StepKind.SWAP_EXACT_IN else "exact out"
    between = (*(f" {symbol} " for symbol in step.route.symbols[1:-1]), "")
    pools = "".join(f"{fee / 10_000:g}%{hop}" for fee, hop in zip(step.route.fees, between, strict=True))
    return (
        f"swap, {exact}",
        f"{amount(step.expected_in, sold.decimals)} {sold.symbol}",
        f"{amount(step.expected_out, bought.decimals)} {bought.symbol}",
        loss,
        pools,
    )


def _costs(plan: RebalancePlan) -> Text:
    cost, left = plan.cost, plan.postponed_usd
    postponed = f" {money(left)} left to later cycles: a block has no gas for it." if left else ""
    return Text(
        f"Cost {money(cost.total)}: gas {money(cost.gas)}, pool fees {money(cost.fees)}, "
        f"slippage {money(cost.slippage)}, flash loan {money(cost.flash)}. "
        f"Turnover {money(plan.turnover_usd)}, at most {plan.gas_limit:,} gas.{postponed}"
    )


def _gates(gates: tuple[Gate, ...]) -> Table:
    judged = next((gate.urgency.value for gate in gates if gate.kind != "trigger"), "")
    table = _section(f"Gates, limits judged at {judged}" if judged else "Gates")
    table.add_column("gate", no_wrap=True)
    table.add_column("number", justify="right", no_wrap=True)
    table.add_column("limit", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("")
    for gate in gates:
        table.add_row(gate.name, number(gate.value), number(gate.limit), _gate_verdict(gate), gate.detail)
    return table


def _gate_verdict(gate: Gate) -> Text:
    if gate.kind == "trigger":
        if not gate.passed:
            return Text("quiet", style="dim")
        return Text(f"fired {gate.urgency.value}", style="bold yellow")
    return Text("pass", style="green") if gate.passed else Text("STOP", style="bold red")


def _worth(decision: Decision) -> Text:
    """What the considered trade is worth, and how much of the way it leaves."""
    return Text(
        f"Worth {money(decision.benefit_usd)}, expected to cost {money(decision.expected_cost_usd)}; "
        f"{decision.remaining:.3f} NAVs of weight changes left to the target."
    )


def _checks(title: str, checks: tuple[Check, ...]) -> Table:
    table = _section(title)
    table.add_column("check", no_wrap=True)
    table.add_column("number", justify="right", no_wrap=True)
    table.add_column("limit", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("")
    for check in checks:
        wrong = Text("WARN", style="yellow") if check.name in MAY_FAIL else Text("STOP", style="bold red")
        verdict = Text("pass", style="green") if check.passed else wrong
        table.add_row(check.name, number(check.value), number(check.limit), verdict, check.detail)
    return table


def _conclusion(record: DecisionRecord) -> RenderableType:
    failed = record.outcome in (CycleOutcome.FAILED, CycleOutcome.DECLINED)
    text = Text(record.summary)
    if record.failure is not None:
        text.append(f"\n{record.failure.remedy}")
    if record.receipt is not None:
        receipt = record.receipt
        text.append(
            f"\ntransaction {receipt.tx_hash} in block {receipt.block_number:,}, {receipt.gas_used:,} gas"
        )
    text.append(
        f"\nrecord {record.record_id[:12]} · {record.read_round_trips} round trips to read,"
        f" {record.rpc_round_trips} in all, {sum(node.bytes_received for node in record.nodes) / 1e3:,.0f} kB"
        f" · {record.compute_ms:.1f} ms computing",
        style="dim",
    )
    title = _title(record)
    return Panel(text, title=title, title_align="left", border_style="red" if failed else "green")


def _title(record: DecisionRecord) -> str:
    word, _ = BANNERS[record.mode]
    outcomes = {
        CycleOutcome.HELD: "nothing sent",
        CycleOutcome.DECLINED: "not sent",
        CycleOutcome.WOULD_SEND: "would be sent",
        CycleOutcome.SENT: "sent and mined",
        CycleOutcome.FAILED: "failed",
    }
    if record.conclusions is None:
        return f"{word}: {outcomes[record.outcome]}"
    return f"{word}: {record.conclusions.decision.action.value}, {outcomes[record.outcome]}"


def _section(title: str) -> Table:
    return Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False, padding=(0, 1))

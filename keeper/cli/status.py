"""``keeper status``: the vault as it is now, and what the journal last said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from keeper.app.queries import Look


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Read the vault from the chain, and the last record from the journal. Changes nothing."""
    from keeper.app.queries import look
    from keeper.settings.load import load

    seen = look(load())
    if as_json:
        from keeper.cli.as_json import dumped

        typer.echo(dumped(status_object(seen)))
        return
    from keeper.cli.render import console

    console().print(_page(seen))


def status_object(seen: Look) -> dict[str, Any]:
    """What ``--json`` prints."""
    from keeper.cli.as_json import nodes_object, redemptions_object
    from keeper.cli.pause_state import standing_object
    from keeper.domain.portfolio import portfolio

    snapshot, last = seen.snapshot, seen.last
    now = portfolio(snapshot)
    vault = snapshot.vault
    return {
        "block": {
            "chain_id": snapshot.block.chain_id,
            "number": snapshot.block.number,
            "hash": snapshot.block.hash,
            "timestamp": snapshot.block.timestamp,
        },
        "vault": vault.address,
        "epoch": vault.epoch,
        "paused": vault.paused,
        "last_rebalance": vault.last_rebalance or None,
        "nav_usd": now.nav_usd,
        "cash_usd": now.cash_usd,
        "debt_usd": now.debt_usd,
        "redemptions": redemptions_object(snapshot),
        "leverage": now.leverage,
        "health_factor": now.health_factor,
        "assets": [
            {
                "symbol": symbol,
                "value_usd": value,
                "weight": weight,
                "price_usd": snapshot.feeds[snapshot.index(symbol)].price_usd,
                "price_trust": snapshot.feeds[snapshot.index(symbol)].trust.value,
            }
            for symbol, value, weight in zip(now.symbols, now.values_usd, now.weights, strict=True)
        ],
        "keeper": {
            "address": snapshot.keeper_address,
            "balance_eth": snapshot.keeper_balance_wei / 1e18,
            "has_role": snapshot.keeper_has_role,
        },
        "nodes": nodes_object(seen.nodes),
        "quorum": seen.quorum,
        "pause_state": standing_object(seen.pause_state, seen.daily, vault_paused=vault.paused),
        "in_flight": [
            {
                "intent_id": one.intent_id,
                "status": one.status.value,
                "epoch": one.epoch,
                "since": one.since,
            }
            for one in seen.in_flight
        ],
        "last_record": None
        if last is None
        else {
            "record_id": last.record_id,
            "mode": last.mode.value,
            "outcome": last.outcome.value,
            "summary": last.summary,
            "started_at": last.started_at,
            "exit_code": last.exit_code,
        },
    }


def _page(seen: Look) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from keeper.cli.pause_state import day_line, pause_line
    from keeper.cli.words import (
        age,
        moment,
        money,
        nodes_line,
        percent,
        price,
        ratio,
        redemptions_line,
    )
    from keeper.domain.portfolio import portfolio

    snapshot, last = seen.snapshot, seen.last
    now, vault, block = portfolio(snapshot), snapshot.vault, snapshot.block
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column()
    facts.add_row("vault", vault.address + (" PAUSED" if vault.paused else ""))
    facts.add_row("block", f"{block.number:,}, {moment(block.timestamp)}, chain {block.chain_id}")
    since = age(block.timestamp - vault.last_rebalance) + " ago" if vault.last_rebalance else "never"
    facts.add_row("nodes", nodes_line(seen.nodes, seen.quorum))
    facts.add_row("epoch", f"{vault.epoch}, last rebalance {since}")
    facts.add_row("NAV", f"{money(now.nav_usd)} (cash {money(now.cash_usd)}, debt {money(now.debt_usd)})")
    if snapshot.redemptions is not None:
        facts.add_row("redemptions", redemptions_line(snapshot))
    facts.add_row("leverage", ratio(now.leverage))
    facts.add_row("health factor", ratio(now.health_factor))
    role = "keeper role" if snapshot.keeper_has_role else "NO keeper role"
    facts.add_row(
        "keeper", f"{snapshot.keeper_address}, {snapshot.keeper_balance_wei / 1e18:.4f} ETH for gas, {role}"
    )
    for one in seen.in_flight:
        facts.add_row(
            "in flight", f"{one.status.value}, decided at epoch {one.epoch}, since {moment(one.since)}"
        )
    facts.add_row("budgets", day_line(seen.pause_state, seen.daily))
    if last is not None:
        facts.add_row("last record", f"{moment(last.started_at)} ({last.mode.value}): {last.summary}")
    assets = Table(box=None, pad_edge=False, padding=(0, 1))
    assets.add_column("asset")
    for heading in ("price USD", "feed", "value", "weight"):
        assets.add_column(heading, justify="right")
    for symbol, value, weight in zip(now.symbols, now.values_usd, now.weights, strict=True):
        feed = snapshot.feeds[snapshot.index(symbol)]
        read = f"{age(block.timestamp - feed.round.updated_at)}, {feed.trust.value}"
        assets.add_row(symbol, price(feed.price_usd), read, money(value), percent(weight))
    paused = pause_line(seen.pause_state.pauses, vault_paused=vault.paused)
    return Group(paused, facts, Text(), assets)

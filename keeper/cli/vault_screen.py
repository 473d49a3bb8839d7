"""The screen of ``keeper vault show``: 80 columns are enough."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.table import Table

from keeper.cli.output import facts, plain_table, table_of
from keeper.domain.vault_state import VaultState
from keeper.views.formats import UNKNOWN, age, amount, moment
from keeper.views.vault_state import (
    ACCOUNT,
    LISTED_ASSET,
    LISTED_POOL,
    ROLE,
    UNLIMITED,
    VAULT_STATE,
    limit_rows,
    requests_rows,
)

ROLES = (("role", "{role}"), ("account", "{account}"), (">delay", "{delay_s}"))
POOLS = (("pool", "{symbols}"), (">fee", "{fee}"), ("address", "{address}"))
ASSETS = (
    ("asset", "{symbol} {fault}"),
    (">price USD", "{price_usd}"),
    (">weight", "{max_weight}"),
    (">slippage", "{slippage}"),
    (">lag", "{lag}"),
    (">feed age", "{max_age_s}"),
)


def vault_screen(state: VaultState) -> Group:
    return Group(
        facts(_facts(state)),
        table_of(ROLE, state.roles, ROLES, title="Roles"),
        _limits(state),
        table_of(LISTED_ASSET, state.assets, ASSETS, title="Assets"),
        _accounts(state),
        table_of(LISTED_POOL, state.pools, POOLS, title="Pools"),
        _requests(state),
    )


def _facts(state: VaultState) -> Iterator[tuple[str, str]]:
    cash = state.assets[0]
    flags = [name.upper() for name in ("paused", "silent", "closed") if getattr(state, name)]
    rows = (
        ("vault", " ".join(["{name} ({symbol})", *flags])),
        ("shares", "{address}"),
        ("registry", "{registry}"),
        ("portfolio", "{portfolio}"),
        ("rebalancer", "{rebalancer}"),
        ("block", "{block_number}, {block_time}"),
        ("epoch", "{epoch}, last call {last_call}"),
    )
    for name, template in rows:
        yield name, VAULT_STATE.text(state, template)
    fair = "" if state.fairly_priced else ", NO FAIR PRICE"
    yield "net assets", f"{amount(state.net_assets, cash.decimals)} {cash.symbol}{fair}"
    yield (
        "shares",
        f"{amount(state.total_shares, state.share_decimals)} {state.symbol}, "
        + VAULT_STATE.text(state, "{share_price}")
        + f" {cash.symbol} each",
    )
    if state.levering_closed_until > state.block.timestamp:
        yield "borrowing", f"closed until {moment(state.levering_closed_until)}"
    unlimited = state.terms.cap == UNLIMITED
    cap = "none" if unlimited else f"{amount(state.terms.cap, cash.decimals)} {cash.symbol}"
    who = "allowed depositors only" if state.terms.allowed_only else "anybody may deposit"
    yield "cap", f"{cap}, {who}"
    yield (
        "fees",
        VAULT_STATE.text(state, "management {management}, performance {performance}, spread {spread}"),
    )
    yield "heartbeat", VAULT_STATE.text(state, "{last_seen}; anybody winds down after {silence_s}")


def _limits(state: VaultState) -> Table:
    table = plain_table("limit", ">at most", ">used", title="Limits")
    for row in limit_rows(state):
        used = UNKNOWN if row.used is None else row.written.text(row.used)
        table.add_row(row.name, row.written.text(row.limit), used)
    return table


def _accounts(state: VaultState) -> Table:
    table = plain_table("account", "asset", ">supplied", ">owed", title="Accounts")
    for number, account in enumerate(state.accounts):
        table.add_row(account.account, "", "", "")
        health = ACCOUNT.text(account, "{health_factor}")
        names = (f"{number}, health {health}", *("" for _ in account.positions[1:]))
        for name, position in zip(names, account.positions, strict=False):
            table.add_row(
                name,
                position.symbol,
                amount(position.supplied, position.decimals),
                amount(position.owed, position.decimals),
            )
    idle = [asset for asset in state.assets if asset.idle]
    for asset in idle:
        table.add_row("idle", asset.symbol, amount(asset.idle, asset.decimals), "")
    return table


def _requests(state: VaultState) -> Table:
    cash = state.assets[0]
    table = plain_table("requests", ">waiting", ">worth", "batch", title="Line of requests")
    for row in requests_rows(state):
        closed = f"closed {age(state.block.timestamp - row.closed_at)} ago" if row.closed_at else "open"
        table.add_row(
            row.side,
            f"{amount(row.pending, row.decimals)} {row.symbol}",
            f"{amount(row.worth, cash.decimals)} {cash.symbol}",
            closed if row.pending else UNKNOWN,
        )
    table.add_row(
        "reserved for redemptions", "", f"{amount(state.reserved, cash.decimals)} {cash.symbol}", ""
    )
    return table

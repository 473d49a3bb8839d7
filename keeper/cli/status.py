"""``keeper status``: the vault as it is now, and the last record of the journal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Event
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from keeper.app.keys import acting_account
from keeper.app.vault_status import vault_status
from keeper.cli.options import AsJson
from keeper.cli.output import console, facts, pause_text, print_json, table_of
from keeper.domain.errors import BadInput, JournalMissing, KeeperError
from keeper.domain.market import MarketSnapshot
from keeper.settings.load import load
from keeper.settings.schema import Settings
from keeper.views.columns import ACCOUNTS
from keeper.views.drill import drill_line
from keeper.views.formats import age, moment
from keeper.views.lending import ACCOUNT, account_rows
from keeper.views.lines import daily_budgets_line, nodes_line, pause_lines, redemptions_line
from keeper.views.record import record_information_line
from keeper.views.status import IN_FLIGHT, RECORD_SUMMARY, STATUS, VaultStatus
from keeper.views.vault import HOLDING, holding_rows

ASSETS = (
    ("asset", "{symbol}"),
    (">price USD", "{price_usd}"),
    (">feed, age", "{price_age_s} {price_trust}"),
    (">value", "{value_usd}"),
    (">weight", "{weight}"),
)


def status(
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=1.0, help="Seconds between two looks of --watch.")
    ] = 15.0,
) -> None:
    """Show the vault as it is on chain, and the last record of the journal. Changes nothing."""
    settings = load()
    if watch:
        if as_json:
            raise BadInput(
                "--watch and --json exclude each other", remedy="Call `keeper status --json` again."
            )
        _watch(settings, every)
        return
    now = vault_status(settings, acting_account)
    if as_json:
        print_json(STATUS.json(now))
    else:
        console().print(_page(now))
    if not now.journal_exists:
        raise typer.Exit(JournalMissing.exit_code)


def _watch(settings: Settings, every_s: float) -> None:
    """Redraws the screen, or prints one look after another where it is no terminal. A look that fails says so above the
    last one that did not."""
    screen, interval = console(), Event()
    last: RenderableType = ""
    with suppress(KeyboardInterrupt), Live(console=screen, auto_refresh=False, transient=True) as live:
        while True:
            try:
                last, trouble = _page(vault_status(settings, acting_account)), ""
            except KeeperError as error:
                trouble = f"{error.name}: {error.message}\n{error.remedy}\nThe last good look:\n"
            heading = f"{moment(time.time())}, again every {every_s:g} s, Ctrl-C ends it\n"
            page = Group(heading, Text(trouble, style="bold red"), last)
            if screen.is_terminal:
                live.update(page, refresh=True)
            else:
                screen.print(page)
            interval.wait(every_s)


def _page(now: VaultStatus) -> Any:
    pauses = pause_lines(now.pause_state.pauses, vault_paused=now.snapshot.vault.paused)
    missing = (
        f"NO JOURNAL at {now.journal}: whether the keeper is paused, and what it did, is not known here."
    )
    return Group(
        pause_text(pauses) if now.journal_exists or pauses else Text(missing, style="bold red"),
        facts(_facts(now)),
        table_of(HOLDING, holding_rows(now.snapshot), ASSETS, title="Assets"),
        *_accounts(now.snapshot),
    )


def _accounts(snapshot: MarketSnapshot) -> Iterator[Any]:
    """Where the vault has several."""
    if snapshot.others:
        yield table_of(ACCOUNT, account_rows(snapshot), ACCOUNTS, title="Accounts")


def _facts(now: VaultStatus) -> Iterator[tuple[str, str]]:
    snapshot = now.snapshot
    vault = snapshot.vault
    since = f"{age(snapshot.block.timestamp - vault.last_rebalance)} ago" if vault.last_rebalance else "never"
    role = "keeper role" if snapshot.keeper_has_role else "NO keeper role"
    rows = [
        ("vault", "{vault} PAUSED" if vault.paused else "{vault}"),
        ("block", "{block.number}, {block.timestamp}, chain {block.chain_id}"),
        ("epoch", f"{{epoch}}, last rebalance {since}"),
        ("NAV", "{nav_usd} (cash {cash_usd}, debt {debt_usd})"),
        ("leverage", "{leverage}"),
        ("health factor", "{health_factor}"),
        ("keeper", f"{{keeper.address}}, {{keeper.balance_eth}} ETH for gas, {role}"),
    ]
    for name, template in rows:
        yield name, STATUS.text(now, template)
    yield "nodes", nodes_line(now.nodes, now.quorum)
    yield "redemptions", redemptions_line(snapshot)
    for intent in now.in_flight:
        yield "in flight", IN_FLIGHT.text(intent, "{status}, decided at epoch {epoch}, since {since}")
    yield "journal", now.journal if now.journal_exists else f"MISSING: {now.journal}"
    yield "runs", now.running
    if now.leader is not None:
        yield "leads", now.leader
    if now.journal_exists:
        yield "budgets", daily_budgets_line(now.pause_report)
    if now.last is not None:
        if now.last.inputs is not None:
            yield "fire drill", drill_line(now.last.inputs.drill)
        yield "information", record_information_line(now.last)
        yield "last record", RECORD_SUMMARY.text(now.last, "{started_at} ({mode}): {reason}")

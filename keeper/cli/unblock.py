"""``keeper unblock``: nonces that are stuck."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from keeper.app import operator
from keeper.app.queries import pauses
from keeper.cli.options import Simulate
from keeper.cli.output import console, facts, pause_text
from keeper.cli.password import ask_password
from keeper.cli.rebalance import chosen_mode
from keeper.domain.fee_replacement import after_replacements
from keeper.domain.tx import NonceReport
from keeper.domain.urgency import Urgency
from keeper.settings.load import load
from keeper.settings.policy import policy
from keeper.views.formats import age
from keeper.views.lines import pause_lines


def unblock(
    simulate: Simulate = False,
    execute: Annotated[
        bool,
        typer.Option(
            "--execute",
            help="Use up every stuck or missing nonce with a transfer of 0 ETH to the key itself.",
        ),
    ] = False,
) -> None:
    """Show the nonces of the keeper's key by node and journal, and cancel stuck transactions with --execute.

    One of --simulate and --execute is required.
    """
    mode = chosen_mode("keeper unblock", simulate=simulate, execute=execute)
    settings, screen = load(), console()
    screen.print(pause_text(pause_lines(pauses(settings))))
    with operator.nonces(settings, mode, ask_password=ask_password) as sender:
        report = sender.nonces()
        for line in _page(report):
            screen.print(line)
        if not mode.sends:
            return
        highest = policy(settings).decision.at(Urgency.EMERGENCY).max_gas_price_wei
        receipts = sender.unblock(after_replacements(highest))
        left = {stuck.intent.intent_id for stuck in sender.nonces().stuck}
    for receipt in receipts:
        screen.print(f"mined: {receipt.tx_hash} in block {receipt.block_number:,}")
    left |= {receipt.intent_id for receipt in receipts}
    expired = [stuck.intent.nonce for stuck in report.stuck if stuck.intent.intent_id not in left]
    for nonce in expired:
        screen.print(f"expired: nonce {nonce}, which the chain cannot reach")
    screen.print(
        "Done. The next cycle settles what was mined." if receipts or expired else "Nothing was stuck."
    )


def _page(report: NonceReport) -> Iterator[Any]:
    by_journal = (
        "this journal does not know the key"
        if report.watermark is None
        else f"{report.watermark} by the journal"
    )
    yield facts(
        (
            ("key", report.account),
            ("next nonce", f"{report.mined_nonce} by the node, {by_journal}"),
            ("waiting", f"{report.pending_nonce - report.mined_nonce} by the node's count"),
        )
    )
    for stuck in report.stuck:
        hashes = ", ".join(
            f"{tx_hash}{'' if tx_hash in stuck.known else ' (forgotten by the node)'}"
            for tx_hash in stuck.hashes
        )
        yield Text(
            f"nonce {stuck.intent.nonce}: {stuck.status.value} for {age(max(0.0, time.time() - stuck.since))}, "
            f"epoch {stuck.intent.payload.epoch}, {hashes or 'nothing signed'}"
        )
    for nonce, tx_hash in report.foreign:
        yield Text(f"nonce {nonce}: {tx_hash} is not in this journal", style="bold red")
    if report.gaps:
        yield Text(f"missing nonces: {', '.join(map(str, report.gaps))}", style="yellow")

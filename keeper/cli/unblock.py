"""``keeper unblock``: nonces that are stuck, and how to get them moving."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from keeper.domain.tx import NonceReport


def unblock(
    simulate: Annotated[bool, typer.Option("--simulate", help="Only look.")] = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="Cancel what waits and fill gaps, by transfers of nothing.")
    ] = False,
) -> None:
    """Show the key's nonces by node and journal. With --execute: use up those that are stuck."""
    from keeper.app import operator
    from keeper.app.queries import pauses
    from keeper.cli.password import ask_password
    from keeper.cli.pause_state import pause_line
    from keeper.cli.rebalance import mode_of
    from keeper.cli.render import console
    from keeper.domain.urgency import Urgency
    from keeper.settings.load import load
    from keeper.settings.to_domain import policy

    mode = mode_of("keeper unblock", simulate=simulate, execute=execute)
    settings, screen = load(), console()
    screen.print(pause_line(pauses(settings)))
    with operator.nonces(settings, ask_password=ask_password) as sender:
        screen.print(_page(sender.nonces()))
        if not mode.sends:
            return
        receipts = sender.unblock(policy(settings).decision.at(Urgency.EMERGENCY).max_gas_price_wei)
    for receipt in receipts:
        screen.print(f"mined: {receipt.tx_hash} in block {receipt.block_number:,}")
    screen.print("Nothing was stuck." if not receipts else "Done. The next cycle settles what was mined.")


def _page(found: NonceReport) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from keeper.cli.words import age

    watermark = "this journal does not know the key" if found.watermark is None else str(found.watermark)
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column()
    facts.add_row("key", found.account)
    facts.add_row("next nonce", f"{found.mined_nonce} by the node, {watermark} by the journal")
    facts.add_row("waiting", f"{found.pending_nonce - found.mined_nonce} by the node's count")
    lines: list[Any] = [facts]
    for one in found.stuck:
        hashes = ", ".join(
            f"{tx_hash}{'' if tx_hash in one.known else ' (forgotten by the node)'}" for tx_hash in one.hashes
        )
        lines.append(
            Text(
                f"nonce {one.intent.nonce}: {one.status.value} for {age(max(0.0, time.time() - one.since))}, "
                f"epoch {one.intent.payload.epoch}, {hashes or 'nothing signed'}"
            )
        )
    lines += [
        Text(f"nonce {nonce}: not ours: {tx_hash}", style="bold red") for nonce, tx_hash in found.strangers
    ]
    if found.gaps:
        lines.append(Text(f"gaps that nothing fills: {', '.join(map(str, found.gaps))}", style="yellow"))
    return Group(*lines)

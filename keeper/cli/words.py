"""Numbers as an operator reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from keeper.domain.market import MarketSnapshot
from keeper.domain.record import Mode, NodeUse
from keeper.domain.units import UINT256_MAX
from keeper.sizing.redemptions import missing_usd, queued_usd

NOTHING_SENT = "nothing is signed, nothing is sent"
BANNERS = {
    Mode.SIMULATE: ("SIMULATION", NOTHING_SENT),
    Mode.DRY_RUN: ("DRY RUN", NOTHING_SENT),
    Mode.EXECUTE: ("EXECUTE", "transactions are signed and sent"),
    Mode.LIVE: ("LIVE", "transactions are signed and sent"),
}


def nodes_line(nodes: Sequence[NodeUse], quorum: int) -> str:
    """How many nodes were believed, and who was left out; a single one is believed alone, and that is said."""
    if len(nodes) == 1:
        return f"node {nodes[0].endpoint} alone: nobody confirms what it says"
    left_out = "".join(f"\n! node {node.endpoint} left out: {node.note}" for node in nodes if node.note)
    return f"{len(nodes)} nodes, {quorum} must say the same{left_out}"


def redemptions_line(snapshot: MarketSnapshot) -> str:
    """What waits in the queue, for how long, and who has to move."""
    found = snapshot.redemptions
    if found is None or found.pending_shares == 0:
        return "nobody waits"
    missing = missing_usd(snapshot)
    next_step = "covered: anybody may call serve()" if missing <= 0.0 else f"{money(missing)} not yet idle"
    return f"{money(queued_usd(snapshot))} wait, the oldest {age(snapshot.block.timestamp - found.since)}; {next_step}"


def percent(value: float | None, digits: int = 1) -> str:
    """0.123 as 12.3 %; a dash for what is not known."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def money(value: float) -> str:
    """USD with two decimals below a thousand, whole dollars above."""
    return f"${value:,.2f}" if abs(value) < 1000 else f"${value:,.0f}"


def price(value: float) -> str:
    """Five significant digits at least, so that a stable's deviation shows."""
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:,.4f}"


def ratio(value: float | None) -> str:
    """A leverage or health factor; infinite without debt."""
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.3f}"


def number(value: float) -> str:
    """A gate's value or limit, in whatever unit its detail names."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if math.isnan(value):
        return "–"
    if abs(value) >= 1e7:
        return f"{value:.3e}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.4g}"


def age(seconds: float) -> str:
    """Time since something, in its largest fitting unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(unix_seconds: float) -> str:
    """UTC, to the second."""
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def amount(raw: int, decimals: int) -> str:
    """A raw token amount in whole units, six digits; "all" for the vault's word for everything."""
    if raw == UINT256_MAX:
        return "all"
    whole = raw / 10**decimals
    return f"{whole:,.2f}" if whole >= 1000 else f"{whole:,.6g}"

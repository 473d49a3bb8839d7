"""Single lines of text that several screens share."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.market import MarketSnapshot
from keeper.domain.pause_state import Pause, PausedBy
from keeper.domain.record import Mode, NodeUse
from keeper.views.formats import age, moment
from keeper.views.vault import LAST_24_HOURS, REDEMPTIONS, PauseReport

_NOTHING_SENT = "nothing is signed, nothing is sent"
_SENDS = "transactions are signed and sent"
BANNERS = {
    Mode.SIMULATE: ("SIMULATION", _NOTHING_SENT),
    Mode.DRY_RUN: ("DRY RUN", _NOTHING_SENT),
    Mode.EXECUTE: ("EXECUTE", _SENDS),
    Mode.LIVE: ("LIVE", _SENDS),
}
"""A mode's word, and what it means."""
PAUSED_IN = {PausedBy.JOURNAL: "journal", PausedBy.FILE: "pause file"}
EFFECT_OF_A_PAUSE = "Stopped: levering and routine rebalancing. Still runs: RIPCORD and `keeper deleverage`."
LAST_24_HOURS_LINE = (
    "last 24 h: lost {loss} of {max_loss}, traded {turnover} of {max_turnover} NAVs, "
    "gas {gas_eth} of {max_gas_eth} ETH, {failures} of {max_failures} reverts"
)


def pause_lines(pauses: Sequence[Pause], *, vault_paused: bool = False) -> str:
    """One line for each pause, and one for what pauses do; empty if there is none."""
    lines = [
        f"PAUSED since {moment(pause.since)} by {pause.cause} ({PAUSED_IN[pause.by]}): "
        f"{(pause.reason or 'no reason given').rstrip('.')}."
        for pause in pauses
    ]
    if vault_paused:
        lines.append("PAUSED on chain: only the vault's admin ends that, through the timelock.")
    return "\n".join([*lines, EFFECT_OF_A_PAUSE]) if lines else ""


def daily_budgets_line(report: PauseReport) -> str:
    return LAST_24_HOURS.text(report, LAST_24_HOURS_LINE)


def nodes_line(nodes: Sequence[NodeUse], quorum: int) -> str:
    """How many nodes must agree, and which were left out and why."""
    if len(nodes) == 1:
        return f"node {nodes[0].endpoint} alone: no other node confirms its answers"
    left_out = "".join(f"\n! node {node.endpoint} left out: {node.note}" for node in nodes if node.note)
    return f"{len(nodes)} nodes, {quorum} must agree{left_out}"


def redemptions_line(snapshot: MarketSnapshot) -> str:
    """How much waits and for how long, and what it waits for."""
    line = snapshot.redemptions
    if line.pending_shares == 0:
        return "nobody waits"
    covered = REDEMPTIONS.at(snapshot, "missing_usd")[1] <= 0.0
    next_step = "covered: anybody may settle them" if covered else "{missing_usd} not yet idle"
    waiting = f", the oldest {age(snapshot.block.timestamp - line.since)}" if line.since else ""
    return REDEMPTIONS.text(snapshot, f"{{value_usd}} wait{waiting}; {next_step}")

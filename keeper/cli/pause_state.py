"""The line that every screen has: paused or not, what is stopped, what still runs; and the day's budgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keeper.cli.words import moment, percent
from keeper.domain.pause_state import Pause, PausedBy
from keeper.domain.units import WAD

if TYPE_CHECKING:
    from rich.text import Text

    from keeper.domain.pause_state import PauseState
    from keeper.domain.policy import DailyPolicy

STOPPED = "Stopped: levering and routine rebalancing."
STILL_RUNS = "Still runs: RIPCORD and `keeper deleverage`."
WHERE = {PausedBy.JOURNAL: "journal", PausedBy.FILE: "pause file"}


def pause_line(pauses: Sequence[Pause], *, vault_paused: bool = False) -> Text:
    """One or two lines for the top of a screen."""
    from rich.text import Text

    if not pauses and not vault_paused:
        return Text("not paused", style="dim")
    said = [
        f"PAUSED since {moment(pause.since)} by {pause.cause} ({WHERE[pause.by]}): "
        f"{(pause.reason or 'no reason given').rstrip('.')}."
        for pause in pauses
    ]
    if vault_paused:
        said.append("PAUSED on chain: the vault's guardian or admin lifts that.")
    return Text("\n".join([*said, f"{STOPPED} {STILL_RUNS}"]), style="bold yellow")


def day_line(pause_state: PauseState, daily: DailyPolicy) -> str:
    """What 24 hours used up, of what they may."""
    spent = pause_state.spent
    return (
        f"last 24 h: lost {percent(spent.loss, 2)} of {percent(daily.max_loss, 2)}, "
        f"traded {spent.turnover:.2f} of {daily.max_turnover:g} NAVs, "
        f"gas {spent.gas_wei / WAD:.4f} of {daily.max_gas_wei / WAD:g} ETH, "
        f"{spent.failures} of {daily.max_failures} reverts"
    )


def standing_object(
    pause_state: PauseState | None, daily: DailyPolicy, *, vault_paused: bool
) -> dict[str, Any] | None:
    """What ``--json`` prints; null in records from before there was one."""
    if pause_state is None:
        return None
    spent = pause_state.spent
    paused = bool(pause_state.pauses) or vault_paused
    return {
        "paused": paused,
        "pauses": [
            {"by": pause.by.value, "cause": pause.cause, "reason": pause.reason, "since": pause.since}
            for pause in pause_state.pauses
        ],
        "vault_paused": vault_paused,
        "stopped": ["levering", "routine rebalancing"] if paused else [],
        "still_runs": ["ripcord", "deleverage"],
        "last_24_hours": {
            "loss": {"used": spent.loss, "limit": daily.max_loss},
            "turnover_navs": {"used": spent.turnover, "limit": daily.max_turnover},
            "gas_eth": {"used": spent.gas_wei / WAD, "limit": daily.max_gas_wei / WAD},
            "failures": {"used": spent.failures, "limit": daily.max_failures},
        },
    }

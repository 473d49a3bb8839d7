"""Between two cycles of the schedule: a daemon that looks once an hour, and blocks that cannot wait so long."""

from __future__ import annotations

from collections.abc import Callable

from keeper.domain.record import DecisionRecord
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.faults.fixtures import Trial
from tests.faults.processes import Running

FALL = 0.7


def records(trial: Trial) -> tuple[DecisionRecord, ...]:
    with Journal.open_for_reading(trial.journal_url) as journal:
        return StoredRecords(journal).latest(20)


def test_row_86_a_fall_of_prices_between_two_cycles_is_answered_at_the_next_block(
    trial: Trial, daemon: Callable[..., Running]
) -> None:
    known = len(records(trial))
    daemon(KEEPER_WATCH__EVERY_S="0.2")
    trial.until(lambda: len(records(trial)) > known)
    for symbol in ("WBTC", "WETH", "LINK", "UNI"):
        trial.move_price(symbol, FALL, pools=True)
    trial.until(lambda: len(records(trial)) > known + 1)


def test_row_86_a_block_that_the_node_tells_is_looked_at_long_before_the_next_look_is_due(
    trial: Trial, daemon: Callable[..., Running]
) -> None:
    known = len(records(trial))
    socket = trial.world.deployment.rpc_url.replace("http://", "ws://")
    daemon(KEEPER_WATCH__EVERY_S="600", KEEPER_WS_URL=f"ws://127.0.0.1:9,{socket}")
    trial.until(lambda: len(records(trial)) > known)
    trial.vault_paused(True)
    trial.until(lambda: len(records(trial)) > known + 1)


def test_a_pause_of_the_vault_is_noticed_at_once(trial: Trial, daemon: Callable[..., Running]) -> None:
    known = len(records(trial))
    daemon(KEEPER_WATCH__EVERY_S="0.2")
    trial.until(lambda: len(records(trial)) > known)
    trial.vault_paused(True)
    trial.until(lambda: len(records(trial)) > known + 1)

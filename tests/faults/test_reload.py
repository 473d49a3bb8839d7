"""A daemon whose settings change while it runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.faults.fixtures import Trial
from tests.faults.processes import Running


def minimums(trial: Trial) -> list[float]:
    """The smallest trades of the last cycles' policies, the newest first."""
    with Journal.open_for_reading(trial.journal_url) as journal:
        inputs = [record.inputs for record in StoredRecords(journal).latest(3)]
    return [one.policy.decision.min_trade_usd for one in inputs if one is not None]


def test_a_hang_up_reads_the_settings_again_between_two_cycles(
    trial: Trial, daemon: Callable[..., Running], tmp_path: Path
) -> None:
    file = tmp_path / "keeper.toml"
    file.write_text("[decision]\nmin_trade_usd = 901\n", encoding="utf-8")
    running = daemon(KEEPER_CONFIG=str(file))
    trial.until(lambda: minimums(trial)[:1] == [901])
    file.write_text("[decision]\nmin_trade_usd = 902\n", encoding="utf-8")
    os.kill(running.pid, signal.SIGHUP)
    trial.until(lambda: minimums(trial)[:1] == [902])

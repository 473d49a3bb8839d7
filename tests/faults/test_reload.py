"""A daemon whose settings change while it runs: real processes, one journal, one key."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from keeper.domain.record import DecisionRecord
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.faults.conftest import HOURLY
from tests.faults.fixtures import Trial
from tests.faults.processes import Ended, Running
from tests.faults.test_orders import mining_another_call

PROMPT_S = 10.0


@dataclass(frozen=True)
class Files:
    """The strategy file and the file of the environment of a daemon."""

    strategy: Path
    environment: Path

    @property
    def named(self) -> dict[str, str]:
        return {"KEEPER_CONFIG": str(self.strategy), "KEEPER_ENV_FILE": str(self.environment)}

    def min_trade(self, usd: float) -> None:
        self.strategy.write_text(f"[decision]\nmin_trade_usd = {usd}\n", encoding="utf-8")

    def set(self, **variables: str) -> None:
        lines = (f"KEEPER_{name}={value}\n" for name, value in variables.items())
        self.environment.write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    written = Files(tmp_path / "keeper.toml", tmp_path / "keeper.env")
    written.min_trade(901)
    written.set()
    return written


def records(trial: Trial) -> tuple[DecisionRecord, ...]:
    """The newest first."""
    with Journal.open_for_reading(trial.journal_url) as journal:
        return StoredRecords(journal).latest(5)


def min_trades(trial: Trial) -> list[float]:
    inputs = [record.inputs for record in records(trial)]
    return [each.policy.decision.min_trade_usd for each in inputs if each is not None]


def log(running: Running) -> str:
    return Path(f"{running.output}.err").read_text(encoding="utf-8")


def hang_up(trial: Trial, running: Running, until: str) -> str:
    """Sends the signal, and waits for a new log line with the word. Returns what came with it."""
    before = len(log(running))
    os.kill(running.pid, signal.SIGHUP)
    trial.until(lambda: until in log(running)[before:])
    return log(running)[before:]


def test_wrong_settings_change_nothing_and_right_ones_carry_out_the_next_order(
    trial: Trial, daemon: Callable[..., Running], shell: Callable[..., Ended], files: Files
) -> None:
    trial.lever()
    trial.proxy.mines_on_poll = 1
    running = daemon(**files.named)
    trial.until(lambda: min_trades(trial)[:1] == [901])

    files.min_trade(-1)
    refused = hang_up(trial, running, "reload_refused")
    assert "min_trade_usd" in refused
    assert "-1" in refused
    assert "The old settings stay in force" in refused
    files.min_trade(902)
    assert "decision.min_trade_usd = 902.0 (it was 901.0)" in hang_up(trial, running, '"reloaded"')
    trial.until(lambda: min_trades(trial)[:1] == [902])

    lowered = shell("deleverage", "--execute", "--json")
    assert lowered.exit_code == 0, lowered.out + lowered.err
    assert (lowered.record["outcome"], trial.vault().deleveraged) == ("SENT", 1)
    assert min_trades(trial)[0] == 902


def test_a_hang_up_during_a_trade_waits_for_its_end_and_for_the_order_that_ends_it(
    trial: Trial, daemon: Callable[..., Running], shell: Callable[..., Ended], files: Files
) -> None:
    trial.lever()
    trial.proxy.mines_on_poll = None
    sent = len(trial.proxy.arrived)
    running = daemon(**trial.eager, **files.named)
    trial.until(lambda: len(trial.proxy.arrived) > sent)

    files.min_trade(902)
    os.kill(running.pid, signal.SIGHUP)
    trial.proxy.on_arrival = mining_another_call(trial, than=trial.proxy.arrived[sent].data)
    lowered = shell("deleverage", "--execute", "--json")
    assert lowered.exit_code == 0, lowered.out + lowered.err
    assert lowered.record["outcome"] == "SENT"
    trial.until(lambda: min_trades(trial)[:1] == [902])
    with Journal.open_for_reading(trial.journal_url) as journal:
        ordered = StoredRecords(journal).record(lowered.record["record_id"])
    assert ordered.inputs is not None
    assert ordered.inputs.policy.decision.min_trade_usd == 901, "the old keeper carried it out"
    assert log(running).count('"reloaded"') == 1


def test_settings_that_cannot_start_leave_the_old_keeper_as_it_was(
    trial: Trial, daemon: Callable[..., Running], files: Files
) -> None:
    running = daemon(**files.named, KEEPER_WATCH__EVERY_S="0.2")
    trial.until(lambda: min_trades(trial)[:1] == [901])

    files.set(RPC_URL="http://127.0.0.1:9")
    files.min_trade(902)
    assert "NodeUnavailable" in hang_up(trial, running, "reload_refused")
    files.set(JOURNAL_URL="sqlite:////nowhere/keeper.db", METRICS_PORT="9188")
    refused = hang_up(trial, running, "reload_refused")
    assert "RestartNeeded" in refused
    assert "KEEPER_METRICS_PORT" in refused

    known = len(records(trial))
    trial.vault_paused(True)  # the old watch asks for a cycle, and the old keeper runs it
    trial.until(lambda: len(records(trial)) > known)
    assert min_trades(trial)[0] == 901


def test_a_signal_to_stop_ends_a_reload_whose_node_hangs(trial: Trial, files: Files) -> None:
    running = trial.start(*HOURLY, more=files.named)
    trial.until(lambda: min_trades(trial)[:1] == [901])
    with socket.create_server(("127.0.0.1", 0)) as node:
        files.set(RPC_URL=f"http://127.0.0.1:{node.getsockname()[1]}")
        os.kill(running.pid, signal.SIGHUP)
        connection, _ = node.accept()
        with connection:
            began = time.monotonic()
            os.kill(running.pid, signal.SIGTERM)
            ended = running.wait()
    assert time.monotonic() - began < PROMPT_S
    assert ended.exit_code == 0, ended.err
    assert '"reload_interrupted"' in ended.err
    assert '"stopped"' in ended.err

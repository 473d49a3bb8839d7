"""How soon a daemon answers a breach: from the block that shows it to the signed attempt, which arrives at the node. The
node tells the block by WebSocket."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from keeper.devnet.vault_reading import read_vault
from keeper.domain.decision import Action
from keeper.domain.record import DecisionRecord
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.faults.fixtures import Stage, Trial
from tests.faults.lending_market import RISKY
from tests.faults.market_block import Published, push_rounds, queue
from tests.faults.processes import Running
from tests.servers.geth_proxy import BLOCK_TIME_S

HOURLY = ("run", "--live", "--every", "1h")
ACTS_BELOW, NEAR = 1.20, 0.97
"""``decision.act_health_factor``, and how far below it a crash leaves the vault."""
LEVERED = {"KEEPER_SIZE__TARGET_VOLATILITY": "1.2"}


LONGEST_WAIT_S = 0.4
"""Between the daemon's first cycle and the crash."""


@dataclass(frozen=True)
class Breach:
    """Seconds from the block. ``looked_s``: until the cycle began that the watch asked for; ``signed_s``: until the
    attempt, whose row is in the journal by then, arrived at the node. ``stages`` are those of the cycle."""

    looked_s: float
    signed_s: float
    stages: dict[str, float]
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Crash:
    """What everybody sends when every price falls to the same part of itself: new rounds of the feeds, and the trades that
    move the pools. All of it fits into one block."""

    prices: dict[str, float]
    trades: tuple[tuple[str, str], ...]

    def strike(self, trial: Trial) -> None:
        """In the next block, which is not mined yet."""
        at = trial.world.now() + BLOCK_TIME_S
        push_rounds(trial, [Published(symbol, price, at) for symbol, price in self.prices.items()])
        queue(trial, self.trades)


def prepare(stage: Stage, first_journal: str) -> Crash:
    """From now on each trial begins with a levered vault; the journals are copies of ``first_journal``. Returns a crash
    in which the keeper must act."""
    environment = stage.environment | {"KEEPER_JOURNAL_URL": first_journal}
    stage.proxy.mines_on_poll = 1
    Trial(stage.world, stage.proxy, stage.fork_server, first_journal, environment).lever(LEVERED)
    with stage.trial() as trial:
        fall = NEAR * ACTS_BELOW / read_vault(trial.world).health_factor
        first = trial.world.w3.eth.block_number + 1
        for symbol in RISKY:
            trial.move_price(symbol, fall, pools=True)
        told = set(trial.world.feeds.addresses.values())
        blocks = range(first, trial.world.w3.eth.block_number + 1)
        sent = [each for number in blocks for each in _transactions(trial, number) if each[0] not in told]
        return Crash({symbol: trial.world.spot(symbol) for symbol in RISKY}, trades=tuple(sent))


def _transactions(trial: Trial, number: int) -> list[tuple[str, str]]:
    block = trial.proxy.rpc("eth_getBlockByNumber", hex(number), True)
    checksummed = trial.world.w3.to_checksum_address
    return [(checksummed(each["to"]), each["input"]) for each in block["transactions"]]


def breach(trial: Trial, crash: Crash, waits_s: float) -> Breach:
    """A fresh daemon, which has held once, and the block of the crash, ``waits_s`` later."""
    known = len(_records(trial))
    with _daemon(trial):
        trial.until(lambda: len(_records(trial)) > known)
        threading.Event().wait(waits_s)
        arrived: list[float] = []
        require_row = trial.proxy.on_arrival

        def arrive(raw: str) -> None:
            arrived.append(time.time())
            require_row(raw)

        trial.proxy.on_arrival = arrive
        crash.strike(trial)
        began = time.time()
        trial.proxy.mine()
        trial.until(lambda: len(_records(trial)) > known + 1)
    answer = _records(trial)[0]
    assert answer.conclusions is not None
    assert answer.conclusions.decision.action is Action.RIPCORD, answer.summary
    return Breach(
        looked_s=answer.started_at - began,
        signed_s=arrived[0] - began,
        stages={stage.stage: stage.seconds for stage in answer.stages},
        broken=tuple(trial.check(whole_journal=False)),
    )


def breaches(stage: Stage, crash: Crash, *, count: int, seed: int) -> Iterator[Breach]:
    generator = np.random.default_rng(seed)
    for _ in range(count):
        with stage.trial() as trial:
            yield breach(trial, crash, float(generator.uniform(0.0, LONGEST_WAIT_S)))


@contextmanager
def _daemon(trial: Trial) -> Iterator[Running]:
    websocket = {"KEEPER_WS_URL": trial.world.deployment.rpc_url.replace("http://", "ws://")}
    environment = trial.environment | LEVERED | websocket
    running = trial.fork_server.start(HOURLY, environment)
    try:
        yield running
    finally:
        os.kill(running.pid, signal.SIGINT)
        ended = running.wait()
    assert ended.exit_code == 0, ended.err


def _records(trial: Trial) -> tuple[DecisionRecord, ...]:
    with Journal.open_for_reading(trial.journal_url) as journal:
        return StoredRecords(journal).latest(10)


def table(measured: Sequence[Breach]) -> str:
    """Percentiles, and where the time of the median went."""

    def row(name: str, seconds: Sequence[float]) -> str:
        ordered = sorted(seconds)
        middle, high = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return f"  {name:<34}{1e3 * middle:>8.0f}{1e3 * high:>8.0f}{1e3 * ordered[-1]:>8.0f}"

    stages = [name for name in measured[0].stages if name not in ("send", "read_back")]
    lines = [
        "",
        f"{len(measured)} breaches, told by WebSocket, {os.cpu_count()} cores",
        f"  {'milliseconds':<34}{'median':>8}{'p99':>8}{'max':>8}",
        row("from the block to the cycle", [one.looked_s for one in measured]),
        *(row(f"  {name}", [one.stages.get(name, 0.0) for one in measured]) for name in stages),
        row("from the block to the attempt", [one.signed_s for one in measured]),
        f"  broken invariants {sum(len(one.broken) for one in measured)}",
    ]
    return "\n".join(lines) + "\n"

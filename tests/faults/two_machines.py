"""Two daemons on one journal in PostgreSQL, and what can happen to the one that leads."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keeper.domain.leadership import Leadership
from keeper.journal.leadership import stored_leadership
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.runtime.failpoints import Failpoint
from tests.faults.fixtures import Trial
from tests.faults.processes import Ended, ForkServer, Running
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy

STANDBY = ("run", "--live", "--standby", "--every", "1h")
KILLED, FROZEN, CUT_OFF = "killed", "frozen", "cut off"
IDLE = "idle"
MOMENTS = (
    Failpoint.SEND_BEGINS,
    Failpoint.BROADCAST,
    Failpoint.ATTEMPT_COMMITTED,
    IDLE,
    Failpoint.SIGNING_COMMITTED,
    Failpoint.INTENT_COMMITTED,
    Failpoint.SIGNED,
    Failpoint.BROADCAST_COMMITTED,
    Failpoint.INTENT_BEGINS,
)
"""When the leader of the first rebalance is killed or frozen. One that is cut off is idle, or has just sent."""
NEWS = 1.002
"""A price that the watch reports."""
WATCH = {"KEEPER_WATCH__EVERY_S": "0.2", "KEEPER_WATCH__PRICE_MOVE": "0.001"}


@dataclass(frozen=True)
class Takeover:
    """Seconds from the fault to the successor's term, and to the end of its first cycle. ``doubles``: rebalances that
    took effect beyond the first."""

    fault: str
    moment: str
    led_s: float
    acted_s: float
    doubles: int
    broken: tuple[str, ...]


@dataclass
class Machine:
    """One daemon with locks of its own, behind a ``network`` that can be cut between it and the shared database."""

    trial: Trial
    keepers: ForkServer
    folder: Path
    network: TcpProxy
    lease_s: float
    running: Running | None = None

    def start(self, failpoint: str = "", **more: str) -> Running:
        environment = {
            **self.trial.environment,
            "KEEPER_JOURNAL_URL": self.network.url,
            "KEEPER_LOCK_DIRECTORY": str(self.folder),
            "KEEPER_LEASE_S": str(self.lease_s),
            **WATCH,
            "KEEPER_FAILPOINT": failpoint,
            **more,
        }
        self.running = self.keepers.start(STANDBY, environment)
        return self.running

    @property
    def holder(self) -> str:
        assert self.running is not None
        return f"process {self.running.pid}"

    def signal(self, number: signal.Signals) -> None:
        assert self.running is not None
        os.kill(self.running.pid, number)

    @property
    def terms_lost(self) -> int:
        """How often it has led no more, and has said since that it stands by."""
        assert self.running is not None
        log = Path(f"{self.running.output}.err").read_text(encoding="utf-8")
        _, *terms = log.split('"event": "lead_lost"')
        return sum('"event": "stands_by"' in since for since in terms)

    @property
    def dead(self) -> bool:
        assert self.running is not None
        return not Path(f"/proc/{self.running.pid}").exists()

    def stopped(self) -> Ended:
        """Ended as an operator does it, or dead already."""
        assert self.running is not None
        if not self.dead:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGINT)
        ended, self.running = self.running.wait(), None
        return ended


@dataclass
class Pair:
    """The machine that leads first, and the one that stands by."""

    trial: Trial
    first: Machine
    second: Machine

    def leadership(self) -> Leadership:
        with Journal.open_for_reading(self.trial.journal_url) as journal:
            found = stored_leadership(journal)
        assert found is not None
        return found

    def leads(self, machine: Machine) -> bool:
        return self.leadership().leader.endswith(machine.holder)

    def stands_by(self, machine: Machine) -> bool:
        return any(name.endswith(machine.holder) for name in self.leadership().standbys)

    def records(self) -> int:
        with Journal.open_for_reading(self.trial.journal_url) as journal:
            return len(StoredRecords(journal).newest_ids(1_000))

    def begin(self, failpoint: str = "") -> None:
        """The first leads and holds, because it is paused; the second stands by."""
        self.trial.pause_file.touch()
        known = self.records()
        self.first.start(failpoint)
        self.trial.until(lambda: self.records() > known)
        self.second.start()
        self.trial.until(lambda: self.stands_by(self.second))

    def news(self) -> None:
        """The pause is over, and a price has moved."""
        self.trial.pause_file.unlink()
        self.trial.move_price("WETH", NEWS, pools=False)

    def close(self) -> None:
        for machine in (self.first, self.second):
            machine.network.heal()
            if machine.running is not None:
                machine.stopped()


@contextmanager
def pair(trial: Trial, others: ForkServer, folder: Path, lease_s: float) -> Iterator[Pair]:
    with tcp_proxy(trial.journal_url) as to_first, tcp_proxy(trial.journal_url) as to_second:
        first = Machine(trial, trial.fork_server, folder / "first", to_first, lease_s)
        second = Machine(trial, others, folder / "second", to_second, lease_s)
        made = Pair(trial, first, second)
        try:
            yield made
        finally:
            made.close()


def takeover(made: Pair, fault: str, moment: str) -> Takeover:
    """The leader of the vault's first rebalance has the fault at the moment; the other one finishes what it began."""
    trial, proxy = made.trial, made.trial.proxy
    proxy.mines_on_poll = None
    arms = fault != CUT_OFF and moment != IDLE
    made.begin(f"{moment}:1:freeze" if arms and fault == FROZEN else moment if arms else "")
    before = made.leadership().term
    assert before is not None
    if moment != IDLE:
        _cut_on_arrival(made, fault)
        made.news()
    _strike(made, fault, moment)
    began, known = time.monotonic(), made.records()
    trial.until(lambda: made.leads(made.second))
    led_s = time.monotonic() - began
    proxy.mines_on_poll = 1
    trial.until(lambda: made.records() > known)
    acted_s = time.monotonic() - began
    if moment == IDLE:
        made.news()
    else:
        proxy.mine()  # what the successor has sent, if its cycle did not wait for it
    now = made.leadership().term
    assert now is not None
    assert now.number == before.number + 1
    _wake(made, fault)
    trial.until(lambda: trial.vault().epoch >= 1)
    made.first.stopped()
    made.second.stopped()
    broken = tuple(trial.check(whole_journal=False))
    return Takeover(fault, moment, led_s, acted_s, trial.vault().rebalanced - 1, broken)


def _cut_on_arrival(made: Pair, fault: str) -> None:
    if fault != CUT_OFF:
        return
    before = made.trial.proxy.on_arrival

    def arrive(raw: str) -> None:
        before(raw)
        made.first.network.cut()
        made.trial.proxy.on_arrival = before

    made.trial.proxy.on_arrival = arrive


def _strike(made: Pair, fault: str, moment: str) -> None:
    """Returns when the fault is there."""
    trial, first = made.trial, made.first
    assert first.running is not None
    running = first.running
    if fault == KILLED:
        if moment == IDLE:
            first.signal(signal.SIGKILL)
        trial.until(lambda: first.dead)
    elif fault == FROZEN:
        if moment == IDLE:
            first.signal(signal.SIGSTOP)
        trial.until(lambda: trial.stopped(running))
    elif moment == IDLE:
        made.first.network.cut()
    else:
        trial.until(lambda: bool(trial.proxy.arrived))


def _wake(made: Pair, fault: str) -> None:
    """What was frozen or cut off comes back while the other one leads, and stands by."""
    if fault == KILLED:
        return
    if fault == FROZEN:
        made.first.signal(signal.SIGCONT)
    made.first.network.heal()
    made.trial.until(lambda: made.first.terms_lost == 1)


def chain_of_faults(made: Pair) -> Takeover:
    """The leader freezes between its look at the lease and its socket; its successor is cut off; and the next one, which
    is the first again, is killed. Two starts, three takeovers."""
    trial, proxy, first, second = made.trial, made.trial.proxy, made.first, made.second
    proxy.mines_on_poll = None
    made.begin(f"{Failpoint.SEND_BEGINS}:1:freeze")
    assert first.running is not None
    frozen, known = first.running, made.records()
    made.news()
    trial.until(lambda: trial.stopped(frozen))
    began = time.monotonic()
    trial.until(lambda: made.leads(second))
    led_s = time.monotonic() - began
    proxy.mines_on_poll = 1
    trial.until(lambda: made.records() > known)
    acted_s = time.monotonic() - began
    proxy.mine()  # what the successor has sent, if its cycle did not wait for it
    first.signal(signal.SIGCONT)  # its bytes go out now: they have the successor's nonce
    trial.until(lambda: first.terms_lost == 1)
    trial.until(lambda: trial.vault().epoch >= 1)
    second.network.cut()
    trial.until(lambda: made.leads(first))
    second.network.heal()
    trial.until(lambda: second.terms_lost == 1)
    known_before = made.records()
    first.signal(signal.SIGKILL)
    trial.until(lambda: made.leads(second))
    # Stopped before its daemon runs, it might swallow the signal here; `keeper` itself ends by its own handler.
    trial.until(lambda: made.records() > known_before)
    term = made.leadership().term
    assert term is not None
    assert term.number == 4
    second.stopped()
    first.stopped()
    broken = tuple(trial.check(whole_journal=False))
    return Takeover("chain", Failpoint.SEND_BEGINS, led_s, acted_s, trial.vault().rebalanced - 1, broken)

"""A sender over a node in memory and a journal in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.domain.tx import Intent
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from keeper.tx.fees import Fees
from keeper.tx.manager import TransactionSender, Waiting
from tests.tx.node_double import (
    CHAIN_ID,
    GWEI,
    VAULT,
    AlarmBell,
    FakeClock,
    NodeDouble,
    a_payload,
    a_signer,
)

WAITING = Waiting(poll_s=1.0, bump_after_s=30.0, give_up_after_s=120.0)


class Scene:
    """A sender over a node double and a journal in a file. ``restart`` is a new process on the same journal."""

    def __init__(self, log: StoredAttempts, clock: FakeClock) -> None:
        self.node = NodeDouble()
        self.alarm = AlarmBell()
        self.relay: NodeDouble | None = None
        self.log = log
        self.clock = clock
        self.each_wait: Callable[[], None] = lambda: None
        self.sender = self.restart()

    def restart(self, waiting: Waiting = WAITING) -> TransactionSender:
        self.sender = TransactionSender(
            self.node,
            self.log,
            a_signer(),
            self.alarm,
            CHAIN_ID,
            VAULT,
            self.clock,
            self._wait,
            waiting,
            self.relay,
        )
        return self.sender

    def _wait(self, seconds: float) -> None:
        self.clock.wait(seconds)
        self.each_wait()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = FakeClock()
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as journal:
        yield Scene(StoredAttempts(journal, clock.now), clock)


def foreign(nonce: int = 0) -> str:
    return a_signer().sign(Intent("foreign", nonce, a_payload(9)), Fees(20 * GWEI, GWEI)).raw

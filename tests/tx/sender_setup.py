"""A sender over a node in memory and a journal in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.domain.roles_modifier import RolesModifier
from keeper.domain.tx import Intent
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from keeper.tx.allowlist import AllowedTarget, VaultTargets
from keeper.tx.config import SenderConfig
from keeper.tx.fees import Fees
from keeper.tx.manager import TransactionSender
from keeper.tx.ports import Relay
from keeper.tx.send_state import SendTiming
from keeper.tx.signer import from_development_key
from tests.tx.node_double import (
    CHAIN_ID,
    GWEI,
    PUBLIC_DEVELOPMENT_KEY,
    AlarmBell,
    FakeClock,
    NodeDouble,
    a_payload,
    a_signer,
    targets,
)

TIMING = SendTiming(poll_s=1.0, bump_after_s=30.0, give_up_after_s=120.0, private_s=180.0, confirmations=1)


class SenderSetup:
    """A sender over a node double and a journal in a file. ``restart`` is a new process on the same journal."""

    def __init__(self, log: StoredAttempts, clock: FakeClock) -> None:
        self.node = NodeDouble()
        self.alarm = AlarmBell()
        self.relay: Relay | None = None
        self.modifier: RolesModifier | None = None
        self.log = log
        self.clock = clock
        self.each_wait: Callable[[], None] = lambda: None
        self.require_lead: Callable[[], None] = lambda: None
        self.sender = self.restart()

    def restart(self, timing: SendTiming = TIMING) -> TransactionSender:
        config = SenderConfig(
            node=self.node,
            relay=self.relay,
            log=self.log,
            signer=from_development_key(PUBLIC_DEVELOPMENT_KEY, AllowedTarget(CHAIN_ID, self.targets)),
            alarm=self.alarm,
            timer=self,
            timing=timing,
            chain_id=CHAIN_ID,
            targets=self.targets,
            explain=bytes.hex,
            require_lead=lambda: self.require_lead(),
        )
        self.sender = TransactionSender(config)
        return self.sender

    def targets(self) -> VaultTargets:
        return replace(targets(), modifier=self.modifier)

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def wait(self, seconds: float) -> None:
        self.clock.wait(seconds)
        self.each_wait()


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[SenderSetup]:
    clock = FakeClock()
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as journal:
        yield SenderSetup(StoredAttempts(journal, clock.now), clock)


def foreign(nonce: int = 0) -> str:
    return a_signer().sign(Intent("foreign", nonce, a_payload(9)), Fees(20 * GWEI, GWEI)).raw

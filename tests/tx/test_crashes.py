"""The sender under a random history: processes die anywhere, nodes lie low, and the invariants of the keeper hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keeper.domain.errors import KeeperError
from keeper.domain.tx import Payload
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from keeper.tx.config import SenderConfig
from keeper.tx.manager import TransactionSender
from keeper.tx.nonce_watermark import SETTLED_S
from keeper.tx.send_state import SendTiming
from tests.properties import examples
from tests.tx.node_double import (
    CHAIN_ID,
    AlarmBell,
    FakeClock,
    NodeDouble,
    Sent,
    a_payload,
    a_signer,
    read,
    targets,
)

pytestmark = pytest.mark.slow

TIMING = SendTiming(poll_s=5.0, bump_after_s=20.0, give_up_after_s=60.0, private_s=180.0, confirmations=1)
DEADLY = ("create", "add_attempt", "mark_broadcast", "add_receipt", "adopt_nonce", "move", "send_raw", "view")
CAP_WEI = a_payload(cap_gwei=500).max_fee_cap_wei


class Killed(BaseException):
    """The process is gone: nothing of it runs after this, not even its error handling."""


class Mortal:
    """Passes every call on, and kills the process before or after the n-th deadly one."""

    def __init__(self, inside: Any, dies: Callable[[], bool]) -> None:
        self._inside = inside
        self._dies = dies

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inside, name)
        if name not in DEADLY:
            return method

        def called(*given: Any) -> Any:
            if self._dies():
                raise Killed
            answer = method(*given)
            if self._dies():
                raise Killed
            return answer

        return called


class Keepers(RuleBasedStateMachine):
    """One key, one vault whose epoch rises with every mined call, one process after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name) / 'keeper.db'}"
        self.clock = FakeClock()
        self.decisions = 0
        self.mines_after: float | None = None
        self.node = NodeDouble(mines=False, is_vault=True, finality=4)
        self.alarm = AlarmBell()
        self.hid_receipts = self.lied = False
        self.steps_to_live: int | None = None
        self.journal = Journal.open(self.url)
        self.start()

    def teardown(self) -> None:
        self.journal.close()
        self.folder.cleanup()

    def start(self) -> None:
        self.log = StoredAttempts(self.journal, self.clock.now)
        config = SenderConfig(
            node=Mortal(self.node, self.dies),
            relay=None,
            log=Mortal(self.log, self.dies),
            signer=a_signer(),
            alarm=self.alarm,
            timer=self,
            timing=TIMING,
            chain_id=CHAIN_ID,
            targets=targets,
            explain=bytes.hex,
            require_lead=lambda: None,
        )
        self.sender = TransactionSender(config)

    def dies(self) -> bool:
        if self.steps_to_live is None:
            return False
        self.steps_to_live -= 1
        return self.steps_to_live < 0

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def wait(self, seconds: float) -> None:
        self.clock.wait(seconds)
        if self.mines_after is not None and self.clock.at >= self.mines_after:
            self.node.mine()

    @rule(
        life=st.none() | st.integers(0, 25),
        mined_after=st.none() | st.integers(0, 80),
        loses_replies=st.booleans(),
        emergency=st.booleans(),
    )
    def cycle(self, life: int | None, mined_after: int | None, loses_replies: bool, emergency: bool) -> None:
        """Settle, and send for the vault's epoch if nothing is in flight or it is an emergency; the process may die on
        the way."""
        self.steps_to_live = life
        self.mines_after = None if mined_after is None else self.clock.at + mined_after
        self.node.loses_replies = loses_replies
        try:
            if self.sender.settle() is None or emergency:
                self.sender.send(self.new_decision(emergency), supersede=emergency)
        except KeeperError:
            pass
        except Killed:
            self.journal.close()
            self.journal = Journal.open(self.url)
        self.steps_to_live = None
        self.start()

    def new_decision(self, emergency: bool) -> Payload:
        """For the vault's epoch as it is, and unlike every other decision."""
        self.decisions += 1
        payload = a_payload(epoch=self.node.vault_epoch(), cap_gwei=500 if emergency else 100)
        return replace(payload, calldata=f"{payload.calldata}{self.decisions:064x}")

    @rule()
    def a_block_is_mined(self) -> None:
        self.node.mine()

    @rule()
    def the_mempool_is_lost(self) -> None:
        self.node.evict()

    @precondition(lambda self: self.bytes_for_the_next_nonce())
    @rule(data=st.data())
    def bytes_that_somebody_kept_are_mined(self, data: st.DataObject) -> None:
        """Also those that the keeper replaced, lost a nonce with, or gave up."""
        kept = data.draw(st.sampled_from(self.bytes_for_the_next_nonce()))
        self.node.waiting[kept.nonce] = kept
        self.node.mine()

    def bytes_for_the_next_nonce(self) -> list[Sent]:
        sent = [read(raw) for raw in dict.fromkeys(self.node.arrived)]
        return [one for one in sent if one.nonce == len(self.node.mined)]

    @precondition(
        lambda self: self.node.mined and self.node.head - self.node.mined[-1][1] < self.node.finality
    )
    @rule()
    def a_reorganisation_takes_the_newest_transaction_back(self) -> None:
        self.node.reorganise()

    @rule(down=st.booleans(), hidden=st.booleans())
    def the_node_changes_its_mood(self, down: bool, hidden: bool) -> None:
        self.node.down = down
        self.node.hides_receipts = hidden
        self.hid_receipts |= hidden

    @rule(too_many=st.sampled_from([0, 1, 7, 90_000, 2**62]))
    def the_node_counts_transactions_that_are_not_there(self, too_many: int) -> None:
        """Until it changes its mind, so that the keeper may sign at such a nonce."""
        self.node.counts_more = too_many
        self.lied |= too_many > 0

    @precondition(lambda self: not self.node.down)
    @rule()
    def everything_recovers(self) -> None:
        """A node that answers and mines is all it takes to get out of any situation."""
        self.node.hides_receipts = False
        self.node.loses_replies = False
        self.node.counts_more = 0
        self.clock.wait(SETTLED_S)
        if self.lied:
            self.mines_after = 0.0
            self.sender.unblock(CAP_WEI)
        for _ in range(12):
            in_flight = self.sender.settle()
            if in_flight is None:
                break
            self.node.mine()
        assert in_flight is None
        self.sender.settle()  # takes back what a node was wrong about
        if not self.hid_receipts:
            self.every_transaction_is_in_the_journal()
        if not self.hid_receipts:
            self.node.mines = True
            self.sender.send(self.new_decision(False))
            self.node.mines = False
        self.no_alarm_without_a_reason()
        self.hid_receipts = self.lied = False
        self.alarm.causes.clear()

    @invariant()
    def n1_one_rebalance_for_one_epoch(self) -> None:
        epochs = [sent.data[10:74] for sent, _, ok in self.node.mined if ok and sent.data != "0x"]
        assert len(epochs) == len(set(epochs))

    @invariant()
    def n2_every_broadcast_has_an_earlier_row(self) -> None:
        with self.journal.reading() as connection:
            rows = connection.exec_driver_sql("SELECT raw FROM attempts").scalars().all()
        assert set(self.node.arrived) <= set(rows)

    @invariant()
    def n5_one_nonce_for_one_intent(self) -> None:
        """But for a no-op that cancels, and an emergency that says in the journal what it supersedes."""
        superseding = {
            (intent.nonce, intent.payload.calldata)
            for intent in map(self.log.intent, self.intent_ids())
            if intent.supersedes is not None
        }
        owner: dict[int, str] = {}
        for raw in dict.fromkeys(self.node.arrived):
            sent = read(raw)
            if sent.data != "0x" and (sent.nonce, sent.data) not in superseding:
                assert owner.setdefault(sent.nonce, sent.data) == sent.data

    def intent_ids(self) -> list[str]:
        with self.journal.reading() as connection:
            return list(connection.exec_driver_sql("SELECT intent_id FROM intents").scalars())

    @precondition(lambda self: not self.node.down)
    @rule(too_many=st.sampled_from([1, 2, 7]))
    def an_emergency_is_given_up(self, too_many: int) -> None:
        """It was signed under a false count. The mempool keeps its bytes."""
        self.the_node_counts_transactions_that_are_not_there(too_many=too_many)
        self.cycle(life=None, mined_after=None, loses_replies=False, emergency=True)
        self.everything_recovers()

    @invariant()
    def no_alarm_without_a_reason(self) -> None:
        """An emergency cannot wait for receipts for ever, and then takes its own transaction for a stranger's."""
        assert self.alarm.causes == [] or self.hid_receipts or self.lied

    def every_transaction_is_in_the_journal(self) -> None:
        with self.journal.reading() as connection:
            known = set(connection.exec_driver_sql("SELECT tx_hash FROM receipts").scalars())
        assert {sent.tx_hash for sent, _, _ in self.node.mined} <= known

    @invariant()
    def n4_fees_stay_under_the_cap(self) -> None:
        assert all(read(raw).max_fee <= CAP_WEI for raw in set(self.node.arrived))


TestKeepers = Keepers.TestCase
TestKeepers.settings = settings(examples(15), stateful_step_count=15)

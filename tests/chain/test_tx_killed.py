"""A real process killed between the signed row and the node, and what the next one does. Any contract will do as vault."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keeper.chain.rpc import Rpc
from keeper.devnet.anvil import AnvilNode, anvil
from keeper.domain.errors import OutcomeUnknown
from keeper.domain.tx import IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from keeper.tx.manager import TransactionSender, Waiting
from keeper.tx.node import RpcNode
from tests.tx.node_double import CHAIN_ID, SENDER, a_payload, a_signer

WAITING = Waiting(poll_s=0.02, bump_after_s=60.0, give_up_after_s=20.0)

KILLED_AT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.chain.test_tx_killed import a_sender
from tests.tx.node_double import a_payload
from keeper.journal.attempts import StoredAttempts
from keeper.tx.node import RpcNode

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

url, journal, moment = sys.argv[1:]
if moment == "before sending":
    RpcNode.send_raw = killed
elif moment == "after sending":
    StoredAttempts.mark_broadcast = killed
elif moment == "before signing":
    StoredAttempts.add_attempt = killed
with a_sender(url, Path(journal)) as (sender, _):
    sender.send(a_payload())
"""


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()


@contextmanager
def a_sender(url: str, journal: Path) -> Iterator[tuple[TransactionSender, StoredAttempts]]:
    with Rpc(url) as rpc, Journal.open(f"sqlite:///{journal}") as opened:
        log = StoredAttempts(opened, time.time)
        node = RpcNode(rpc.request, rpc.send)
        pause = threading.Event()
        yield TransactionSender(node, log, a_signer(), CHAIN_ID, SystemClock(), pause.wait, WAITING), log


@pytest.fixture
def node() -> Iterator[AnvilNode]:
    with anvil(chain_id=CHAIN_ID) as running:
        yield running


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "keeper.db"


def killed(moment: str, node: AnvilNode, journal: Path) -> None:
    program = KILLED_AT.format(root=str(Path(__file__).parents[2]))
    done = subprocess.run(
        [sys.executable, "-c", program, node.url, str(journal), moment], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def nonce(node: AnvilNode) -> int:
    return int(str(node.request("eth_getTransactionCount", SENDER, "latest")), 16)


def test_a_payload_is_mined_and_the_journal_has_its_hash(node: AnvilNode, journal: Path) -> None:
    with a_sender(node.url, journal) as (sender, log):
        receipt = sender.send(a_payload())
        assert receipt.succeeded
        assert [one.tx_hash for one in log.attempts(receipt.intent_id)] == [receipt.tx_hash]
        assert sender.settle() is None
    assert nonce(node) == 1


def test_killed_after_the_signed_row_the_same_bytes_are_sent(node: AnvilNode, journal: Path) -> None:
    killed("before sending", node, journal)
    assert nonce(node) == 0
    with a_sender(node.url, journal) as (sender, log):
        left = log.open_intent(CHAIN_ID, SENDER)
        assert left is not None
        (attempt,) = log.attempts(left.intent_id)
        sender.settle()
        assert sender.settle() is None
        assert log.status(left.intent_id) is IntentStatus.FINAL
    mined = node.request("eth_getTransactionByHash", attempt.tx_hash)
    assert mined is not None
    assert nonce(node) == 1


def test_killed_after_sending_the_transaction_is_adopted_by_its_hash(node: AnvilNode, journal: Path) -> None:
    killed("after sending", node, journal)
    assert nonce(node) == 1
    with a_sender(node.url, journal) as (sender, _):
        assert sender.settle() is None
        assert sender.send(a_payload(4)).succeeded
    assert nonce(node) == 2


def test_killed_before_the_signed_row_the_intent_expires_and_its_nonce_is_used_once(
    node: AnvilNode, journal: Path
) -> None:
    killed("before signing", node, journal)
    with a_sender(node.url, journal) as (sender, _):
        assert sender.settle() is None
        assert sender.send(a_payload(4)).succeeded
    assert nonce(node) == 1


def test_bytes_dropped_from_the_mempool_are_sent_again(node: AnvilNode, journal: Path) -> None:
    node.request("evm_setAutomine", False)
    with a_sender(node.url, journal) as (sender, log):
        sender._waiting = Waiting(poll_s=0.02, bump_after_s=60.0, give_up_after_s=0.2)
        with pytest.raises(OutcomeUnknown):
            sender.send(a_payload())
        left = log.open_intent(CHAIN_ID, SENDER)
        assert left is not None
        (attempt,) = log.attempts(left.intent_id)
        node.request("anvil_dropTransaction", attempt.tx_hash)
        assert sender.settle() is not None
        node.request("evm_mine")
        assert sender.settle() is None
    assert nonce(node) == 1

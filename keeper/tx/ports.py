"""What sending needs of the node and of the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from keeper.domain.tx import Attempt, Intent, IntentStatus, Receipt


@dataclass(frozen=True, slots=True)
class FeeMarket:
    """The next block's base fee and the tips that recent blocks paid (median), wei."""

    base_fee_wei: int
    tip_wei: int


class Node(Protocol):
    """JSON-RPC, as far as sending needs it. Every method raises NodeUnavailable; RpcError has the node's
    words."""

    def chain_id(self) -> int: ...

    def mined_nonce(self, account: str) -> int:
        """Number of the account's mined transactions: the nonce of its next."""
        ...

    def pending_nonce(self, account: str) -> int:
        """As ``mined_nonce``, counting what waits in this node's mempool."""
        ...

    def balance(self, account: str) -> int: ...

    def fee_market(self) -> FeeMarket: ...

    def block_number(self) -> int: ...

    def send_raw(self, raw: str) -> None:
        """Never retried: a send that failed on the way may have arrived."""
        ...

    def receipt(self, intent_id: str, tx_hash: str) -> Receipt | None: ...

    def knows(self, tx_hash: str) -> bool:
        """Whether the node has the transaction, mined or waiting."""
        ...


class AttemptLog(Protocol):
    """The durable side. What a method has written is on disk when it returns; each raises
    JournalUnwritable."""

    def open_intent(self, chain_id: int, sender: str) -> Intent | None:
        """The one intent whose outcome is not final."""
        ...

    def status(self, intent_id: str) -> IntentStatus: ...

    def created_at(self, intent_id: str) -> int: ...

    def create(self, intent: Intent) -> None: ...

    def add_attempt(self, attempt: Attempt) -> None: ...

    def mark_broadcast(self, tx_hash: str) -> None: ...

    def attempts(self, intent_id: str) -> tuple[Attempt, ...]:
        """Oldest first."""
        ...

    def move(self, intent_id: str, status: IntentStatus) -> None: ...

    def add_receipt(self, receipt: Receipt) -> None: ...

    def highest_nonce(self, chain_id: int, sender: str) -> int | None:
        """Of every intent that did not expire unsigned."""
        ...


class Clock(Protocol):
    def monotonic(self) -> float: ...

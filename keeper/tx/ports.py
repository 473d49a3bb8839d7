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
    """The durable side: a state machine that the database enforces (``domain.tx.MOVES``). What a method has written is
    on disk when it returns; each raises JournalUnwritable."""

    def unfinished(self, chain_id: int, sender: str) -> tuple[Intent, ...]:
        """Intents that are not terminal, lowest nonce first."""
        ...

    def intent(self, intent_id: str) -> Intent: ...

    def status(self, intent_id: str) -> IntentStatus: ...

    def created_at(self, intent_id: str) -> int: ...

    def create(self, intent: Intent) -> None:
        """OPEN. Where ``supersedes`` is set, the other one becomes SUPERSEDED in the same transaction; it must have the
        same nonce and epoch. Raises JournalUnwritable when another intent of the key is waiting."""
        ...

    def move(self, intent_id: str, to: IntentStatus) -> None:
        """Raises JournalUnwritable for a move that is not in ``MOVES``, and where another process moved it first."""
        ...

    def add_attempt(self, attempt: Attempt) -> None:
        """Also moves SIGNING to SIGNED, in the same transaction."""
        ...

    def mark_broadcast(self, tx_hash: str) -> None:
        """Also moves SIGNED to SENT, in the same transaction. Marking twice keeps the first time."""
        ...

    def attempts(self, intent_id: str) -> tuple[Attempt, ...]:
        """Oldest first."""
        ...

    def add_receipt(self, receipt: Receipt) -> None:
        """Also moves the intent to MINED unless it is there, in the same transaction. An intent that was SUPERSEDED
        comes back so, and the one that superseded it becomes DISPLACED (EXPIRED when nothing of it was signed)."""
        ...

    def receipts(self, intent_id: str) -> tuple[Receipt, ...]:
        """Oldest first; after a reorganisation there may be several for one hash."""
        ...

    def next_nonce(self, chain_id: int, sender: str) -> int | None:
        """The watermark: one above the highest nonce ever signed for or adopted. None for a key not seen before."""
        ...

    def adopt_nonce(self, chain_id: int, sender: str, nonce: int) -> None:
        """The key was used before this journal: its next nonce is this. Never lowers the watermark."""
        ...

    def latest_final(self, chain_id: int, sender: str) -> tuple[Intent, Receipt] | None:
        """The FINAL, REVERTED or CANCELLED intent of the highest nonce, and its last receipt."""
        ...


class Clock(Protocol):
    def monotonic(self) -> float: ...

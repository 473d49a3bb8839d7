"""What sending needs of the node and of the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.tx import Attempt, Intent, IntentStatus, Receipt


@dataclass(frozen=True, slots=True)
class FeeMarket:
    """The next block's base fee and the tips that recent blocks paid (median), wei."""

    base_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """One key and one vault as a node sees them at one time, read in one request.

    ``mined_nonce``: of the account's next transaction by the latest block; ``settled_nonce``: some blocks earlier, so
    that a difference cannot be lag; ``pending_nonce``: counting what waits. ``epoch``: the vault's, None where it has
    none. ``receipts``: by hash, of those asked for that are mined. ``known``: hashes asked for that the node has, mined
    or waiting. ``pool``: hashes of all that waits for this key, None where the node does not tell.
    ``final_block``: nothing at or below it will be un-mined.
    """

    head: int
    head_time: int
    base_fee_wei: int
    final_block: int
    mined_nonce: int
    settled_nonce: int
    pending_nonce: int
    epoch: int | None
    receipts: Mapping[str, Receipt]
    known: frozenset[str]
    pool: Mapping[int, str] | None


class Node(Protocol):
    """JSON-RPC, as far as sending needs it. Every method raises NodeUnavailable; RpcError has the node's
    words."""

    def chain_id(self) -> int: ...

    def look(self, account: str, vault: str, hashes: Mapping[str, str]) -> Outlook:
        """``hashes``: of attempts that matter, to the intent that each belongs to."""
        ...

    def balance(self, account: str) -> int: ...

    def fee_market(self) -> FeeMarket: ...

    def send_raw(self, raw: str) -> None:
        """Never retried: a send that failed on the way may have arrived."""
        ...


class Relay(Protocol):
    """A way to block builders that the public does not see."""

    def send_raw(self, raw: str) -> None:
        """Never retried. Raises as ``Node.send_raw``."""
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

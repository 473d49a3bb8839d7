"""What sending needs of node, relay, journal, signer, alarm and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus, NonceWatermark, Payload, Receipt
from keeper.tx.fees import FeeMarket, Fees


@dataclass(frozen=True, slots=True)
class NodeView:
    """One key and one vault as a node sees them at one time, read in one request.

    ``mined_nonce``: the account's next nonce by the latest block. ``settled_nonce``: the same some blocks earlier, so
    that a difference cannot be lag. ``pending_nonce``: counts waiting transactions too. ``epoch``: the vault's; None
    if the address is no rebalancer. ``receipts``: by hash, of the requested hashes that are mined. ``known``: the
    requested hashes that the node has, mined or waiting. ``pool``: hashes of all waiting transactions of the key by
    nonce; None if the node does not report its pool. ``final_block``: no reorganisation reaches this block or an
    earlier one.
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


class SendingNode(Protocol):
    """The part of JSON-RPC that sending needs. Every method raises NodeUnavailable, or RpcError with the node's
    words."""

    @property
    def endpoint(self) -> str:
        """The address of the node, or of several, without secrets."""
        ...

    def chain_id(self) -> int: ...

    def view(self, account: str, rebalancer: str, hashes: Mapping[str, str]) -> NodeView:
        """``hashes`` maps the transaction hashes to look up to the intents that own them."""
        ...

    def balance(self, account: str) -> int: ...

    def fee_market(self) -> FeeMarket: ...

    def revert_data(self, payload: Payload, block: int) -> bytes | None:
        """Of the payload's call at the end of a block. None if it does not revert there."""
        ...

    def send_raw(self, raw: str) -> None:
        """Never retried: a request that failed on the way may have arrived."""
        ...


class Relay(Protocol):
    """Hands a transaction to block builders without showing it to the public mempool."""

    def send_raw(self, raw: str) -> None:
        """Never retried. Raises as ``SendingNode.send_raw``."""
        ...


class Signer(Protocol):
    """Holds the key, in this process or in another. ``sign`` raises NotAuthorised outside the allowlist, and
    SignerUnavailable or SignerUntrusted for a remote key."""

    @property
    def address(self) -> str: ...

    def require_allowed(self, intent: Intent, fees: Fees) -> None:
        """Raises NotAuthorised outside the allowlist."""
        ...

    def sign(self, intent: Intent, fees: Fees, kind: AttemptKind = AttemptKind.CALL) -> Attempt:
        """The call of the intent, or to cancel it: a transfer of 0 ETH to the key itself at its nonce."""
        ...


class Alarm(Protocol):
    """Pauses the keeper until a person resumes it; deleveraging may still run. Raises JournalUnwritable."""

    def pause(self, cause: str, reason: str) -> None: ...


class Timer(Protocol):
    """Seconds. A wait may end early, on a signal that raises."""

    def monotonic(self) -> float: ...

    def wait(self, seconds: float) -> None: ...


class AttemptLog(Protocol):
    """Intents and attempts in the journal: a state machine that the database enforces (``domain.tx.TRANSITIONS``). A
    method that writes returns after the row is on disk, and raises JournalUnwritable."""

    def unfinished(self, chain_id: int, sender: str) -> tuple[Intent, ...]:
        """Intents that are not terminal, lowest nonce first."""
        ...

    def intent(self, intent_id: str) -> Intent: ...

    def status(self, intent_id: str) -> IntentStatus: ...

    def created_at(self, intent_id: str) -> int: ...

    def create(self, intent: Intent) -> None:
        """The intent becomes OPEN. If ``supersedes`` is set, that intent becomes SUPERSEDED in the same transaction; it
        must have the same nonce. Raises JournalUnwritable if another intent of the key is waiting."""
        ...

    def move(self, intent_id: str, to: IntentStatus) -> None:
        """Raises JournalUnwritable for a move that is not in ``TRANSITIONS``, and if another process moved it first."""
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
        """Also moves the intent to MINED in the same transaction, unless it is MINED already. This is also how an
        intent comes back that was superseded or given up. Any other unfinished intent at its nonce then becomes
        DISPLACED; it becomes EXPIRED if it was never signed, and so does what was superseded there."""
        ...

    def receipts(self, intent_id: str) -> tuple[Receipt, ...]:
        """Oldest first; after a reorganisation there may be several for one hash."""
        ...

    def watermark(self, chain_id: int, sender: str) -> NonceWatermark:
        """The key's next nonce, and where it is known from."""
        ...

    def adopt_nonce(self, chain_id: int, sender: str, nonce: int) -> None:
        """Takes over what a node said, at this time. It replaces what was taken over before; what was signed for
        stays the lower limit."""
        ...

    def has_signed(self, chain_id: int, sender: str, nonce: int) -> bool:
        """Whether an intent that is not given up was signed, or announced to be, at this nonce."""
        ...

    def given_up(self, chain_id: int, sender: str) -> tuple[Intent, ...]:
        """EXPIRED and DISPLACED intents, oldest first, whose bytes exist or that superseded an intent."""
        ...

    def newest_intents(self, chain_id: int, sender: str) -> tuple[Intent, ...]:
        """The latest of the key, whatever came of them, the newest first."""
        ...

    def latest_final(self, chain_id: int, sender: str) -> tuple[Intent, Receipt] | None:
        """The FINAL, REVERTED or CANCELLED intent of the highest nonce, and its last receipt."""
        ...

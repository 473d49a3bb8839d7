"""An intent to send, its signed attempts, and their outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IntentStatus(StrEnum):
    """State of an intent. ``TRANSITIONS`` lists the allowed changes; the journal's database refuses all others.

    OPEN: stored, nothing is signed. SIGNING: a signature may exist, no bytes are stored. SIGNED: bytes are stored, not
    sent. SENT: a node has them. UNKNOWN: the wait was too long; the transaction may still be mined and blocks new
    sends. MINED: a receipt exists and is not final. UNMINED: a reorganisation removed the receipt.

    FINAL and REVERTED: the receipt is final. CANCELLED: a no-op used the nonce. EXPIRED: never signed, or signed at a
    nonce that the chain cannot reach, because a node counted too many. SUPERSEDED: another intent took over the nonce.
    DISPLACED: a transaction that the journal does not know used the nonce, or another intent at this nonce is mined.

    A node may mine the bytes of an EXPIRED, SUPERSEDED or DISPLACED intent all the same. Then the intent becomes MINED.
    An EXPIRED or DISPLACED one becomes SUPERSEDED first, in the same entry, although no other intent has its nonce.
    """

    OPEN = "OPEN"
    SIGNING = "SIGNING"
    SIGNED = "SIGNED"
    SENT = "SENT"
    UNKNOWN = "UNKNOWN"
    MINED = "MINED"
    UNMINED = "UNMINED"
    FINAL = "FINAL"
    REVERTED = "REVERTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    DISPLACED = "DISPLACED"


_S = IntentStatus
WAITING = (_S.OPEN, _S.SIGNING, _S.SIGNED, _S.SENT, _S.UNKNOWN)
"""Not mined as far as we know; at most one per key."""
UNFINISHED = (*WAITING, _S.MINED, _S.UNMINED)
SETTLED = (_S.FINAL, _S.REVERTED, _S.CANCELLED)
"""Ended by a final receipt."""
GIVEN_UP = (_S.EXPIRED, _S.DISPLACED)
"""Ended by the word of a node, or never signed. A later intent may take over the nonce."""
LET_GO = (_S.EXPIRED, _S.SUPERSEDED, _S.DISPLACED)
"""Without a nonce, and not followed any more, although a node may have the bytes."""
TERMINAL = (*SETTLED, *LET_GO)

TRANSITIONS: tuple[tuple[IntentStatus, IntentStatus], ...] = (
    (_S.OPEN, _S.SIGNING),
    *(
        (status, _S.EXPIRED)
        for status in (_S.OPEN, _S.SIGNING, _S.SIGNED, _S.SENT, _S.UNKNOWN, _S.UNMINED, _S.SUPERSEDED)
    ),
    (_S.SIGNING, _S.SIGNED),
    (_S.SIGNED, _S.SENT),
    (_S.SIGNED, _S.UNKNOWN),
    (_S.SENT, _S.UNKNOWN),
    *((status, _S.MINED) for status in (_S.SIGNED, _S.SENT, _S.UNKNOWN, _S.UNMINED, _S.SUPERSEDED)),
    *(
        (status, _S.DISPLACED)
        for status in (_S.SIGNING, _S.SIGNED, _S.SENT, _S.UNKNOWN, _S.MINED, _S.UNMINED)
    ),
    *(
        (status, _S.SUPERSEDED)
        for status in (_S.OPEN, _S.SIGNING, _S.SIGNED, _S.SENT, _S.UNKNOWN, _S.UNMINED, *GIVEN_UP)
    ),
    (_S.MINED, _S.UNMINED),
    (_S.MINED, _S.FINAL),
    (_S.MINED, _S.REVERTED),
    (_S.MINED, _S.CANCELLED),
)


@dataclass(frozen=True, slots=True)
class SendingKey:
    """The account that signs, on one chain."""

    chain_id: int
    account: str


@dataclass(frozen=True, slots=True)
class OutgoingCall:
    """A call as the key sends it: of the vault itself, or of the Roles modifier that makes it as a Safe. ``calldata``
    is 0x-hex."""

    to: str
    calldata: str


@dataclass(frozen=True, slots=True)
class Payload:
    """The vault call to send, without a nonce. ``to`` is the contract that the key calls, ``calldata`` exactly what was
    simulated, 0x-hex.

    ``deadline`` and ``as_of``, the time of the block that was decided on, are Unix seconds. ``turnover`` is the value
    to sell, in NAVs. ``private`` sends it through a relay instead of the public mempool. ``open_to_all``: anybody may
    make the same call first, so its revert says nothing about the keeper.
    """

    chain_id: int
    sender: str
    to: str
    epoch: int
    calldata: str
    gas_limit: int
    max_fee_cap_wei: int
    deadline: int
    as_of: int
    turnover: float
    private: bool
    open_to_all: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """The decision to send one payload under one nonce.

    ``supersedes`` is the id of the intent whose nonce this one takes over: a waiting one in an emergency, or one
    that was given up."""

    intent_id: str
    nonce: int
    payload: Payload
    supersedes: str | None = None


class AttemptKind(StrEnum):
    """CALL: the intent's vault call. CANCEL: a transfer of 0 to ourselves, which only uses the nonce."""

    CALL = "CALL"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction for an intent. ``raw`` is the signed bytes in 0x-hex."""

    intent_id: str
    tx_hash: str
    raw: str
    max_fee_per_gas_wei: int
    max_priority_fee_per_gas_wei: int
    kind: AttemptKind


@dataclass(frozen=True, slots=True)
class Receipt:
    """``succeeded`` is False for a transaction that was mined and reverted. ``rollup_fee_wei`` is what a rollup charged
    besides the gas. ``nav_before`` is from the vault's event, ``nav_after`` is that less what the vault counts as lost;
    USD with 8 decimals, None where there is no event."""

    intent_id: str
    tx_hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    gas_used: int
    effective_gas_price_wei: int
    rollup_fee_wei: int
    nav_before: int | None
    nav_after: int | None

    @property
    def cost_wei(self) -> int:
        """What the sender paid."""
        return self.gas_used * self.effective_gas_price_wei + self.rollup_fee_wei


@dataclass(frozen=True, slots=True)
class InFlight:
    """An intent whose outcome is not final; ``since`` is Unix seconds. An input of ``decide``."""

    intent_id: str
    status: IntentStatus
    epoch: int
    since: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """An attempt in the journal, with its intent and what became of both. ``place`` is 1 for the first of an intent.
    ``signed_at`` and ``broadcast_at`` are Unix seconds. ``receipt`` is None if it is not mined."""

    intent: Intent
    status: IntentStatus
    attempt: Attempt
    place: int
    signed_at: int
    broadcast_at: int | None
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class StuckIntent:
    """An unfinished intent for `keeper unblock`. ``hashes`` are oldest first; ``known`` are those that the node has."""

    intent: Intent
    status: IntentStatus
    since: int
    hashes: tuple[str, ...]
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class NonceWatermark:
    """A key's next nonce by the journal. ``signed``: one above the highest nonce that was signed for by an intent
    that is not given up. ``adopted``: the last number that was taken over from a node, ``adopted_s`` seconds ago by
    this machine's clock. None for what the journal does not know."""

    signed: int | None
    adopted: int | None
    adopted_s: int

    @property
    def next_nonce(self) -> int | None:
        """None for a key that the journal does not know."""
        return max((nonce for nonce in (self.signed, self.adopted) if nonce is not None), default=None)

    @property
    def is_hearsay(self) -> bool:
        """Whether only a node's word stands for the next nonce: nothing was signed for it or the one before."""
        return self.adopted is not None and self.adopted > (self.signed or 0)


@dataclass(frozen=True, slots=True)
class NonceReport:
    """A key's nonces in the node and in the journal. ``watermark`` is the journal's next nonce, None for an unknown
    key. ``foreign`` are waiting transactions that are not ours, with their nonces. ``gaps`` are the lowest
    nonces below the highest waiting one that no transaction uses."""

    account: str
    mined_nonce: int
    pending_nonce: int
    watermark: int | None
    stuck: tuple[StuckIntent, ...]
    foreign: tuple[tuple[int, str], ...]
    gaps: tuple[int, ...]

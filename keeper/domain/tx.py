"""From deciding to finality: an intent, its signed attempts, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IntentStatus(StrEnum):
    """Where an intent stands. Which may follow which is ``MOVES``, and the journal's database refuses the rest.

    OPEN: written down, nothing signed. SIGNING: a signature may exist somewhere, no bytes are stored. SIGNED: bytes
    are stored, not yet sent. SENT: handed to a node. UNKNOWN: waited for too long; may still be mined; blocks new
    sends. MINED: has a receipt that is not final. UNMINED: had one, and a reorganisation took it away.

    FINAL and REVERTED: the receipt is final. CANCELLED: a no-op took the nonce. EXPIRED: never signed. SUPERSEDED:
    an emergency took its nonce. DISPLACED: a transaction that the journal does not know took its nonce.
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
"""Not mined as far as is known: at most one per key."""
UNFINISHED = (*WAITING, _S.MINED, _S.UNMINED)
TERMINAL = (_S.FINAL, _S.REVERTED, _S.CANCELLED, _S.EXPIRED, _S.SUPERSEDED, _S.DISPLACED)

MOVES: tuple[tuple[IntentStatus, IntentStatus], ...] = (
    (_S.OPEN, _S.SIGNING),
    (_S.OPEN, _S.EXPIRED),
    (_S.SIGNING, _S.SIGNED),
    (_S.SIGNED, _S.SENT),
    (_S.SIGNED, _S.UNKNOWN),
    (_S.SENT, _S.UNKNOWN),
    *((was, _S.MINED) for was in (_S.SIGNED, _S.SENT, _S.UNKNOWN, _S.UNMINED, _S.SUPERSEDED)),
    *((was, _S.DISPLACED) for was in (_S.SIGNING, _S.SIGNED, _S.SENT, _S.UNKNOWN, _S.MINED, _S.UNMINED)),
    *((was, _S.SUPERSEDED) for was in (_S.OPEN, _S.SIGNING, _S.SIGNED, _S.SENT, _S.UNKNOWN, _S.UNMINED)),
    (_S.MINED, _S.UNMINED),
    (_S.MINED, _S.FINAL),
    (_S.MINED, _S.REVERTED),
    (_S.MINED, _S.CANCELLED),
)


@dataclass(frozen=True, slots=True)
class Payload:
    """What is to be sent, before it has a nonce: the exact calldata that was simulated. ``deadline`` is Unix
    seconds.

    ``as_of`` is the time of the block that was decided on, Unix seconds. ``turnover`` is the value to be sold, in NAVs.
    ``private`` keeps it out of the public mempool where a relay is configured.
    """

    chain_id: int
    sender: str
    vault: str
    epoch: int
    calldata: str
    gas_limit: int
    max_fee_cap_wei: int
    deadline: int
    as_of: int
    turnover: float
    private: bool


@dataclass(frozen=True, slots=True)
class Intent:
    """What we decided to send: one vault call at one epoch, under one nonce. ``calldata`` is 0x-hex.

    ``supersedes`` is the intent whose nonce and epoch an emergency took over."""

    intent_id: str
    nonce: int
    payload: Payload
    supersedes: str | None = None


class AttemptKind(StrEnum):
    """CALL: the intent's vault call. CANCEL: a transfer of nothing to ourselves, which only uses up the nonce."""

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
    kind: AttemptKind = AttemptKind.CALL


@dataclass(frozen=True, slots=True)
class Receipt:
    """``succeeded`` False: mined and reverted. NAV before and after as the vault's event tells it, USD with 8 decimals;
    None where the call left none."""

    intent_id: str
    tx_hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    gas_used: int
    effective_gas_price_wei: int
    nav_before: int | None = None
    nav_after: int | None = None


@dataclass(frozen=True, slots=True)
class InFlight:
    """What ``settle`` found: an intent whose outcome is not final. An input of ``decide``."""

    intent_id: str
    status: IntentStatus
    epoch: int
    since: int


@dataclass(frozen=True, slots=True)
class StuckIntent:
    """An unfinished intent as `keeper unblock` shows it: ``hashes`` oldest first, ``known`` those that the node has."""

    intent: Intent
    status: IntentStatus
    since: int
    hashes: tuple[str, ...]
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class NonceReport:
    """A key's nonces by the node and by the journal. ``watermark`` is None for a key that the journal does not know;
    ``strangers`` are waiting transactions that are not ours, by nonce; ``gaps`` the nonces below them that nothing
    fills."""

    account: str
    mined_nonce: int
    pending_nonce: int
    watermark: int | None
    stuck: tuple[StuckIntent, ...]
    strangers: tuple[tuple[int, str], ...]
    gaps: tuple[int, ...]

"""From deciding to finality: an intent, its signed attempts, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IntentStatus(StrEnum):
    """OPEN: not yet known to be mined. MINED and REVERTED have a receipt. FINAL is past the confirmation
    depth.

    EXPIRED: never broadcast, and never will be. UNKNOWN: may have been accepted; blocks new sends.
    """

    OPEN = "OPEN"
    UNKNOWN = "UNKNOWN"
    MINED = "MINED"
    REVERTED = "REVERTED"
    FINAL = "FINAL"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Payload:
    """What is to be sent, before it has a nonce: the exact calldata that was simulated. ``deadline`` is Unix
    seconds."""

    chain_id: int
    sender: str
    vault: str
    epoch: int
    calldata: str
    gas_limit: int
    max_fee_cap_wei: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Intent:
    """What we decided to send: one vault call at one epoch, under one nonce. ``calldata`` is 0x-hex."""

    intent_id: str
    nonce: int
    payload: Payload


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction for an intent. ``raw`` is the signed bytes in 0x-hex."""

    intent_id: str
    tx_hash: str
    raw: str
    max_fee_per_gas_wei: int
    max_priority_fee_per_gas_wei: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """``succeeded`` False: mined and reverted."""

    intent_id: str
    tx_hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    gas_used: int
    effective_gas_price_wei: int


@dataclass(frozen=True, slots=True)
class InFlight:
    """What ``settle`` found: an intent whose outcome is not final. An input of ``decide``."""

    intent_id: str
    status: IntentStatus
    epoch: int
    since: int

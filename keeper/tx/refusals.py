"""What a node means when it does not simply take a transaction. By code and text: nodes differ in both."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """UNRECOGNISED counts as "maybe sent", like no answer at all."""

    ALREADY_KNOWN = "ALREADY_KNOWN"
    NONCE_TOO_LOW = "NONCE_TOO_LOW"
    NONCE_TOO_HIGH = "NONCE_TOO_HIGH"
    REPLACEMENT_UNDERPRICED = "REPLACEMENT_UNDERPRICED"
    FEE_TOO_LOW = "FEE_TOO_LOW"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INVALID = "INVALID"
    UNRECOGNISED = "UNRECOGNISED"


_PHRASES: tuple[tuple[Refusal, tuple[str, ...]], ...] = (
    # geth, Reth, Erigon: "already known"; Anvil: "transaction already imported"; Nethermind: "AlreadyKnown".
    (Refusal.ALREADY_KNOWN, ("already known", "already imported", "alreadyknown", "known transaction")),
    (
        Refusal.REPLACEMENT_UNDERPRICED,
        (
            "replacement transaction underpriced",
            "replacement underpriced",
            "replacementnotallowed",
            "could not replace",
        ),
    ),
    (Refusal.NONCE_TOO_LOW, ("nonce too low", "oldnonce", "old nonce", "nonce is too low", "invalid nonce")),
    (Refusal.NONCE_TOO_HIGH, ("nonce too high", "nonce gap", "noncegap")),
    (Refusal.INSUFFICIENT_FUNDS, ("insufficient funds", "insufficientfunds", "insufficient balance")),
    (
        Refusal.FEE_TOO_LOW,
        (
            "max fee per gas less than block base fee",
            "feetoolow",
            "transaction underpriced",
            "fee too low",
            "max priority fee per gas higher",
        ),
    ),
    (
        Refusal.INVALID,
        (
            "intrinsic gas too low",
            "exceeds block gas limit",
            "gas limit is too high",
            "invalid chain id",
            "invalid sender",
            "oversized data",
            "transaction gas limit too high",
        ),
    ),
)


def refusal(code: int, text: str) -> Refusal:
    """``code`` alone says little (-32000 and -32603 carry everything); the words decide."""
    del code
    said = text.lower()
    return next(
        (meaning for meaning, phrases in _PHRASES if any(phrase in said for phrase in phrases)),
        Refusal.UNRECOGNISED,
    )

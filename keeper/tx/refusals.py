"""Why a node refuses a transaction, recognised by error code and words, which differ between node programs."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """A refusal that is not in ``NOT_TAKEN`` counts as "maybe sent", like no answer at all."""

    ALREADY_KNOWN = "ALREADY_KNOWN"
    NONCE_TOO_LOW = "NONCE_TOO_LOW"
    NONCE_TOO_HIGH = "NONCE_TOO_HIGH"
    REPLACEMENT_UNDERPRICED = "REPLACEMENT_UNDERPRICED"
    FEE_TOO_LOW = "FEE_TOO_LOW"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INVALID = "INVALID"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    UNRECOGNISED = "UNRECOGNISED"


NOT_TAKEN = (
    Refusal.NONCE_TOO_HIGH,
    Refusal.REPLACEMENT_UNDERPRICED,
    Refusal.FEE_TOO_LOW,
    Refusal.INSUFFICIENT_FUNDS,
    Refusal.INVALID,
    Refusal.NOT_SUPPORTED,
)
"""The node certainly does not hold these bytes. Another node may."""

JSON_RPC_METHOD_UNKNOWN, JSON_RPC_INVALID_PARAMS = -32601, -32602

_PHRASES: tuple[tuple[Refusal, tuple[str, ...]], ...] = (
    # geth, Reth, Erigon: "already known"; Anvil: "transaction already imported"; Nethermind: "AlreadyKnown";
    # Besu: "Known transaction"; Erigon: "existing tx with same hash".
    (
        Refusal.ALREADY_KNOWN,
        (
            "already known",
            "already imported",
            "alreadyknown",
            "known transaction",
            "existing tx with same hash",
        ),
    ),
    # Nethermind: "ReplacementNotAllowed"; Erigon: "could not replace existing tx"; Besu: "Transaction gas price
    # supplied is too low to replace".
    (
        Refusal.REPLACEMENT_UNDERPRICED,
        (
            "replacement transaction underpriced",
            "replacement underpriced",
            "replacementnotallowed",
            "could not replace",
            "too low to replace",
            "replacement fee too low",
            "insufficient gas price to replace",
        ),
    ),
    # geth: "nonce too low: next nonce 5, tx nonce 4"; Nethermind: "OldNonce"; Erigon: "nonce too low".
    (
        Refusal.NONCE_TOO_LOW,
        ("nonce too low", "oldnonce", "old nonce", "nonce is too low", "invalid nonce", "nonce_too_low"),
    ),
    # Besu: "Nonce too far in future"; Nethermind: "NonceGap"; geth for blobs: "nonce gap".
    (
        Refusal.NONCE_TOO_HIGH,
        ("nonce too high", "nonce gap", "noncegap", "nonce too distant", "nonce too far", "gapped-nonce"),
    ),
    # Besu: "Upfront cost exceeds account balance".
    (
        Refusal.INSUFFICIENT_FUNDS,
        ("insufficient funds", "insufficientfunds", "insufficient balance", "exceeds account balance"),
    ),
    (
        Refusal.FEE_TOO_LOW,
        (
            "max fee per gas less than block base fee",
            "fee cap less than block base fee",
            "feetoolow",
            "transaction underpriced",
            "fee too low",
            "gas price below configured minimum",
            "gas price supplied is too low",
            "txpool is full",
            "max priority fee per gas higher",
        ),
    ),
    (
        Refusal.INVALID,
        (
            "intrinsic gas too low",
            "exceeds block gas limit",
            "exceeds the limit of",
            "gas limit is too high",
            "gaslimitexceeded",
            "invalid chain id",
            "invalid sender",
            "invalid signature",
            "oversized data",
            "transaction gas limit too high",
            "transaction type not supported",
        ),
    ),
)


def refusal(code: int, text: str) -> Refusal:
    """Words before code, because nodes use -32000 and -32603 for every kind of refusal, nonce errors too."""
    lowered = text.lower()
    for meaning, phrases in _PHRASES:
        if any(phrase in lowered for phrase in phrases):
            return meaning
    if code == JSON_RPC_METHOD_UNKNOWN:
        return Refusal.NOT_SUPPORTED
    return Refusal.INVALID if code == JSON_RPC_INVALID_PARAMS else Refusal.UNRECOGNISED

"""What a node's refusal of a read means: it may pass by itself, or the request was too large.

Text comes before code, because providers use one code for different refusals: -32007 is a rate limit at QuickNode and
an oversized request at jsonrpsee.
"""

from __future__ import annotations

from enum import StrEnum


class ReadRefusal(StrEnum):
    """TRANSIENT: the same request may succeed soon. UNKNOWN_BLOCK: so may it, because another node behind the same
    address may have the block. TOO_LARGE: a smaller one may succeed. FINAL: it is the answer."""

    TRANSIENT = "TRANSIENT"
    UNKNOWN_BLOCK = "UNKNOWN_BLOCK"
    TOO_LARGE = "TOO_LARGE"
    FINAL = "FINAL"


_PHRASES: tuple[tuple[ReadRefusal, tuple[str, ...]], ...] = (
    (
        ReadRefusal.TOO_LARGE,
        (
            "batch too large",  # geth
            "batch limit",  # Erigon: "batch limit 100 exceeded"
            "batch size",  # Nethermind: "Batch size limit exceeded"
            "number of requests in batch exceeds",  # Besu
            "batch request was too large",  # jsonrpsee, as Reth uses it
            "batch response was too large",
            "too many requests in batch",
            "batched requests are not supported",
            "response too large",  # geth, of one entry of a batch
            "response is too big",  # jsonrpsee
            "request is too big",
            "response size exceeded",  # Alchemy
            "request entity too large",
            "content length",  # geth: "content length too large"
            "body too large",
            "out of gas",
            "outofgas",  # Anvil: "EVM error OutOfGas"
            "gas required exceeds allowance",
            "execution aborted (timeout",  # geth: a call that takes longer than rpc.evmtimeout
        ),
    ),
    (
        ReadRefusal.UNKNOWN_BLOCK,
        (
            "header not found",  # geth by number, Nethermind
            "header for hash not found",  # geth by hash
            "block not found",  # Reth, Anvil: "block not found: 0x…"
            "resource not found",  # EIP-1474; Anvil, by hash
            "unknown block",  # Besu, Erigon
            "could not find block",
            "cannot find header",
            "no block with such hash",
            "block is not available",
        ),
    ),
    (
        ReadRefusal.TRANSIENT,
        (
            "not available yet",
            "not yet available",
            "transaction indexing is in progress",  # geth after a start
            "too many requests",
            "rate limit",
            "rate-limit",
            "ratelimit",
            "request limit",
            "requests per second",
            "compute units per second",  # Alchemy
            "capacity limit",
            "limit exceeded",
            "request count exceeded",  # Infura
            "throttl",
            "server is busy",  # jsonrpsee
            "try again",
            "temporarily unavailable",
            "request timed out",  # geth
            "upstream",
        ),
    ),
)
_TRANSIENT_CODES = frozenset(
    (
        429,  # Alchemy, in the body
        -32005,  # EIP-1474: limit exceeded
        -32007,  # QuickNode: requests per second
        -32009,  # jsonrpsee: the server is busy
        -32016,  # Base: over rate limit
        -32029,  # gateways: too many requests
    )
)
_TOO_LARGE_CODES = frozenset(
    (
        -32008,  # jsonrpsee: the response is too big
        -32010,  # jsonrpsee: the batch is too big
        -32011,  # jsonrpsee: the response to a batch is too big
    )
)


def read_refusal(code: int, text: str) -> ReadRefusal:
    """For the error of a read. A revert is the answer, whatever its text says."""
    lowered = text.lower()
    if "revert" in lowered:
        return ReadRefusal.FINAL
    for meaning, phrases in _PHRASES:
        if any(phrase in lowered for phrase in phrases):
            return meaning
    if code in _TRANSIENT_CODES:
        return ReadRefusal.TRANSIENT
    return ReadRefusal.TOO_LARGE if code in _TOO_LARGE_CODES else ReadRefusal.FINAL

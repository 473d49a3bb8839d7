"""Why a node refuses a transaction, recognised by its words, which differ between node programs.

A phrase counts only as a whole clause of the message: between its ends, a colon, a comma, a full stop, a quotation mark
or a bracket. So "unknown transaction type" is not "known transaction".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.units import WAD


class RefusalKind(StrEnum):
    """A kind that is not in ``NOT_TAKEN`` counts as "maybe sent", like no answer at all.

    FEE_TOO_HIGH: the most that the transaction may cost is above what the node passes on.
    NOT_NOW: the node takes nothing from this key or anybody at the moment.
    """

    ALREADY_KNOWN = "ALREADY_KNOWN"
    NONCE_TOO_LOW = "NONCE_TOO_LOW"
    NONCE_TOO_HIGH = "NONCE_TOO_HIGH"
    REPLACEMENT_UNDERPRICED = "REPLACEMENT_UNDERPRICED"
    FEE_TOO_LOW = "FEE_TOO_LOW"
    FEE_TOO_HIGH = "FEE_TOO_HIGH"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INVALID = "INVALID"
    NOT_NOW = "NOT_NOW"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    UNRECOGNISED = "UNRECOGNISED"


NOT_TAKEN = (
    RefusalKind.NONCE_TOO_HIGH,
    RefusalKind.REPLACEMENT_UNDERPRICED,
    RefusalKind.FEE_TOO_LOW,
    RefusalKind.FEE_TOO_HIGH,
    RefusalKind.INSUFFICIENT_FUNDS,
    RefusalKind.INVALID,
    RefusalKind.NOT_NOW,
    RefusalKind.NOT_SUPPORTED,
)
"""The node certainly does not hold these bytes. Another node may."""
PERHAPS_METHOD = (RefusalKind.NOT_SUPPORTED, RefusalKind.INVALID, RefusalKind.UNRECOGNISED)
"""May be about the method or its parameters, so another method may take the bytes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """``words`` are the node's own. ``fee_cap_wei`` is the most that a transaction may cost, where the node says it."""

    kind: RefusalKind
    words: str
    fee_cap_wei: int | None = None


METHOD_UNKNOWN, METHOD_NOT_SUPPORTED, INVALID_PARAMS = -32601, -32004, -32602
"""JSON-RPC 2.0, EIP-1474, JSON-RPC 2.0."""
_BEGINS, _ENDS = r"(?:^|[:'\"(\[]\s*)", r"(?=$|[:,.;'\")\]]|\s[(\[])"
_NOT_THERE = (
    r"(?:is )?(?:not (?:allowed|available|enabled|found|implemented|supported|whitelisted)|unsupported)"
)
_FEE_CAP = re.compile(r"exceeds the configured cap \((\d+(?:\.\d+)?) ether\)", re.IGNORECASE)

_PHRASES: tuple[tuple[RefusalKind, tuple[str, ...]], ...] = (
    # Whatever follows is the contract's reason, not the node's.
    (RefusalKind.INVALID, (r"execution reverted",)),
    (
        RefusalKind.ALREADY_KNOWN,
        (
            r"(?:block |transaction )?already known",  # geth, Reth, Erigon
            r"already ?imported",
            r"transaction already imported",  # Anvil
            r"transaction with the same hash was already imported",  # OpenEthereum
            r"known transaction",  # Besu, old geth, zkSync
            r"alreadyknown|ownnoncealreadyused",  # Nethermind
            r"existing tx with same hash",  # Erigon
            r"tx already exists in cache",  # CometBFT chains
            r"transaction already finalized",  # Harmony
            r"pool\(alreadyimported\)",  # Substrate chains
        ),
    ),
    (
        RefusalKind.REPLACEMENT_UNDERPRICED,
        (
            r"(?:transaction )?replacement (?:transaction )?underpriced",  # geth, Reth, Erigon, Besu
            r"replacementnotallowed",  # Nethermind
            r"could not replace existing tx",  # Erigon
            r"insufficient gas price to replace existing transaction",  # Reth
            r"transaction gas price supplied is too low to replace.*",  # Besu
            r"(?:the )?replacement fee too low",  # ethers
            r"there is another tx which has the same nonce in the tx pool",  # Klaytn
            r"transaction gas price \d+wei is too low\. there is another transaction with same nonce.*",
            r"pool\(toolowpriority\b.*",  # Substrate chains
        ),
    ),
    (
        RefusalKind.NONCE_TOO_LOW,
        (
            r"nonce[ _]too[ _]low",  # geth, Reth, Erigon, Besu, Nitro
            r"(?:transaction )?nonce is too low",  # OpenEthereum, Anvil
            r"oldnonce",  # Nethermind
            r"old nonce",
            r"invalid (?:transaction )?nonce",  # old Nitro
            r"pool\(stale\)",  # Substrate chains
            r"transaction nonce \d+ below sender account nonce \d+",  # Besu
        ),
    ),
    (
        RefusalKind.NONCE_TOO_HIGH,
        (
            r"nonce[ _]too[ _]high",
            r"(?:blob )?nonce gap|noncegap|tx nonce is higher than .*",
            r"nonce too (?:distant|far)\b.*",  # Besu
            r"noncetoofarinfuture",  # Nethermind
            r"gapped-nonce tx from delegated accounts",  # geth
            r"origin account that has gapped nonce cannot be delegated",  # Erigon
        ),
    ),
    (
        RefusalKind.FEE_TOO_HIGH,
        (
            r"tx fee \(\S+ \w+\) exceeds the configured cap \(\S+ \w+\)",  # geth, Erigon, Reth, Bor
            r"transaction fee cap exceeded",  # Besu
            r"max ?priority ?fee ?per ?gas (?:is )?higher than max ?fee ?per ?gas",  # geth, zkSync
            r"max priority fee per gas exceeds max fee per gas",  # Besu
            r"tip above fee cap|tip higher than fee cap",  # Erigon
        ),
    ),
    (
        RefusalKind.INSUFFICIENT_FUNDS,
        (
            r"insufficient funds(?: for .*)?",  # geth, Reth, Nitro, op-geth, Anvil
            r"insufficientfunds",  # Nethermind
            r"insufficient (?:sender )?balance(?: for (?:transfer|transaction))?",
            r"not enough funds for gas",  # Nitro
            r"transaction would cause overdraft",  # geth
            r"upfront cost exceeds account balance",  # Besu
            r"transaction up-front cost \w+ exceeds transaction sender account balance \w+",  # Besu
            r"signer had insufficient balance",  # Monad
        ),
    ),
    (
        RefusalKind.FEE_TOO_LOW,
        (
            r"max fee per gas less than block base fee",  # geth, Nitro, Anvil, zkSync
            r"fee ?cap (?:less than block base fee|too low)|fee cap \d+ below chain minimum",  # Reth, Erigon
            r"gas price less than block base fee",  # Astar
            r"gas price below (?:configured minimum gas price|current base fee)",  # Besu
            r"(?:transaction )?gas price (?:is )?too low",  # OpenEthereum, Nitro, Metis
            r"transaction gas price below minimum",  # Bor
            r"feetoolow|feetoolowtocompete",  # Nethermind
            r"(?:transaction )?underpriced",  # geth, Erigon
            r"fee too low",  # Erigon
            r"there are too many transactions in the queue\. your transaction was dropped due to limit",
            r"tx ?pool is full|transaction pool is full",  # geth, Celo
            r"transaction discarded outright due to pool size constraints",  # Reth
            r"(?:pending|basefee|queued) sub-pool is full",  # Erigon
            r"queue full",  # Nitro
            r"sequencer pending tx pool full",  # Nitro
        ),
    ),
    (
        RefusalKind.NOT_NOW,
        (
            r"in-flight transaction limit reached for delegated accounts",  # geth, Erigon
            r"(?:address|authority) already reserved",  # geth, Reth
            r"account limit exceeded",  # old geth
            r"(?:exceeded (?:the|your) )?rate limit(?: exceeded| reached)?",
            r"(?:daily )?request (?:count|rate) (?:exceeded|limit(?: reached)?)\b.*",
            r"too many requests|limit exceeded",
            r"sequencer (?:is )?(?:unavailable|temporarily not available|not ready)",  # Nitro, op-geth
            r"transaction (?:indexing|pool) (?:is in progress|not ready|disabled|is (?:closed|not available))",
            r"tx ?pool (?:is )?(?:disabled|not ready|closed)|pool closed",  # Erigon, geth
        ),
    ),
    (
        RefusalKind.INVALID,
        (
            r"intrinsic gas (?:too low|exceeds gas limit)",  # geth, Besu
            r"insufficient gas for floor data gas cost",  # geth, EIP-7623
            r"(?:transaction )?gas limit (?:is )?too (?:low|high)",  # Monad, Erigon, geth since EIP-7825
            r"gaslimitexceeded",  # Nethermind
            r"(?:transaction gas limit |tx gas limit )?exceeds (?:the )?(?:block gas limit|max(?:imum)? .*)",
            r"exceeds the limit of .*",
            r"gas (?:uint64 )?overflow|int256overflow",
            r"invalid (?:sender|signature|chain ?id(?: for signer)?|message format)",
            r"wrong chain ?id|incorrect chain ?id",
            r"(?:chain ?id|network id) .*(?:mismatch|does not match).*",
            r"only replay-protected \(eip-155\) transactions allowed over rpc",  # geth
            r"negative value",
            r"oversized data|rlp too long|max ?initcode ?size exceeded",
            r"forbidden sender address|sender not an eoa|senderiscontract|failedtoresolvesender|invalid",
            r"(?:unknown|unsupported|invalid) transaction type",
            r"transaction type (?:\w+ )?not supported|txtypenotsupported",
            r"malformed transaction|typed transaction too short|rlp",
        ),
    ),
    (
        RefusalKind.NOT_SUPPORTED,
        (
            rf"(?:the )?method \w+ (?:does not exist|{_NOT_THERE}).*",
            rf"(?:rpc )?method {_NOT_THERE}",
            r"(?:unsupported|unknown|invalid) (?:rpc )?method(?: \w+)?",
            r"this method is not .*",
            rf"eth_\w+ {_NOT_THERE}.*",
            r"not implemented",
        ),
    ),
)
_PATTERNS = tuple(
    (kind, re.compile(_BEGINS + f"(?:{'|'.join(phrases)})" + _ENDS)) for kind, phrases in _PHRASES
)


def refusal(error: NodeUnavailable | NodeUntrusted) -> Refusal:
    """What an error after sending means. Words come before the code: nodes use -32000 and -32603 for every kind of
    refusal."""
    if not isinstance(error, RpcError):
        return Refusal(RefusalKind.UNRECOGNISED, error.message)
    cap = _FEE_CAP.search(error.text)
    return Refusal(
        kind=_kind(error.code, error.text.strip().lower()),
        words=error.text,
        fee_cap_wei=int(float(cap[1]) * WAD) if cap is not None else None,
    )


def _kind(code: int, text: str) -> RefusalKind:
    for kind, pattern in _PATTERNS:
        if pattern.search(text):
            return kind
    if code in (METHOD_UNKNOWN, METHOD_NOT_SUPPORTED):
        return RefusalKind.NOT_SUPPORTED
    return RefusalKind.INVALID if code == INVALID_PARAMS else RefusalKind.UNRECOGNISED

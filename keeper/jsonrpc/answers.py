"""Answers of nodes as values: what each method must answer, and which fields honest nodes give alike.

A field with ``compare=False`` is left out when the answers of several nodes are compared, because clients differ in it.
The fields are those of the Ethereum execution APIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.jsonrpc.field import AnswerField

ELASTICITY = 2
BASE_FEE_CHANGE = 8  # EIP-1559: the base fee changes by at most one eighth per block


@dataclass(frozen=True, slots=True)
class Header:
    """A block without its transactions. ``base_fee_wei`` is 0 on a chain without EIP-1559."""

    number: int
    hash: str
    timestamp: int
    base_fee_wei: int
    gas_used: int
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Log:
    """One event. Clients differ in the fields that are left out."""

    address: str
    topics: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class MinedReceipt:
    """A transaction's receipt. Addresses are lower-case; ``to`` is None for a creation. ``rollup_fee_wei`` is what a
    rollup charges besides the gas."""

    block_hash: str
    succeeded: bool
    logs: tuple[Log, ...]
    block_number: int = field(compare=False)
    to: str | None = field(compare=False)
    gas_used: int = field(compare=False)
    effective_gas_price_wei: int = field(compare=False)
    rollup_fee_wei: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class FeeHistory:
    """``next_base_fee_wei`` is that of the block after the newest; ``tips_wei`` one tip per block that reports one."""

    next_base_fee_wei: int
    tips_wei: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """One call of eth_simulateV1. ``data`` is what it returned, or its revert data. ``max_gas_used`` is the gas before
    refunds; None where the client does not report it."""

    succeeded: bool
    data: bytes
    gas_used: int
    logs: tuple[Log, ...]
    max_gas_used: int | None = field(compare=False)


def header(answer: AnswerField) -> Header:
    """eth_getBlockByNumber without transactions."""
    base_fee = answer.field("baseFeePerGas")
    return Header(
        number=answer.field("number").integer(),
        hash=answer.field("hash").hash(),
        timestamp=answer.field("timestamp").time(),
        base_fee_wei=0 if base_fee.is_null else base_fee.wei(),
        gas_used=answer.field("gasUsed").integer(),
        gas_limit=answer.field("gasLimit").integer(),
    )


def next_base_fee(base_fee: int, gas_used: int, gas_limit: int) -> int:
    """EIP-1559 with Ethereum's constants; wei. Rollups with others move less per block."""
    target = gas_limit // ELASTICITY
    if target == 0 or base_fee == 0:
        return base_fee
    change = base_fee * abs(gas_used - target) // target // BASE_FEE_CHANGE
    if gas_used > target:
        return base_fee + max(change, 1)
    return base_fee - change


def receipt(answer: AnswerField) -> MinedReceipt:
    """eth_getTransactionReceipt of a mined transaction."""
    to = answer.field("to")
    return MinedReceipt(
        block_hash=answer.field("blockHash").hash(),
        succeeded=answer.field("status").flag(),
        logs=logs(answer.field("logs")),
        block_number=answer.field("blockNumber").integer(),
        to=None if to.is_null else to.address(),
        gas_used=answer.field("gasUsed").integer(),
        effective_gas_price_wei=answer.field("effectiveGasPrice").wei(),
        rollup_fee_wei=_rollup_fee(answer),
    )


def _rollup_fee(answer: AnswerField) -> int:
    """The OP stack's L1 fee (also Scroll's and Mantle's), and its operator fee since Isthmus; wei, rounded up.
    Arbitrum's gas used contains what it charges for publishing. Null and missing fields are 0.

    Isthmus: gas * scalar / 10^6 + constant. Jovian, whose receipts have a daFootprintGasScalar: gas * scalar * 100 +
    constant (OP specs, exec-engine)."""
    l1_fee, scalar, constant = (
        0 if value.is_null else value.wei()
        for value in map(answer.field, ("l1Fee", "operatorFeeScalar", "operatorFeeConstant"))
    )
    gas_used, isthmus = answer.field("gasUsed").integer(), answer.field("daFootprintGasScalar").is_null
    return l1_fee + constant + (-(-gas_used * scalar // 10**6) if isthmus else gas_used * scalar * 100)


def logs(answer: AnswerField) -> tuple[Log, ...]:
    return tuple(
        Log(
            address=log.field("address").address(),
            topics=tuple(topic.hash() for topic in log.field("topics").items()),
            data=log.field("data").data(),
        )
        for log in answer.items()
    )


def fee_history(answer: AnswerField) -> FeeHistory:
    """eth_feeHistory with one percentile. Blocks without transactions may have no reward, an empty one or null."""
    base_fees, rewards = answer.field("baseFeePerGas"), answer.field("reward")
    fees = base_fees.items()
    if not fees:
        raise base_fees.wrong("at least one base fee")
    rows = [row.items() for row in ([] if rewards.is_null else rewards.items()) if not row.is_null]
    return FeeHistory(
        next_base_fee_wei=fees[-1].wei(),
        tips_wei=tuple(row[0].wei() for row in rows if row and not row[0].is_null),
    )


def waiting_hashes(answer: AnswerField) -> Mapping[int, str] | None:
    """txpool_contentFrom: hash by nonce of all waiting transactions. None if the node reports null."""
    if answer.is_null:
        return None
    parts = [answer.field(name) for name in ("pending", "queued")]
    return {
        _nonce(nonce, transaction): transaction.field("hash").hash()
        for part in parts
        if not part.is_null
        for nonce, transaction in part.members()
    }


def simulated_calls(answer: AnswerField, count: int) -> tuple[SimulatedCall, ...]:
    """eth_simulateV1 of one block with ``count`` calls."""
    blocks = answer.items()
    if len(blocks) != 1:
        raise answer.wrong("one simulated block")
    calls = blocks[0].field("calls")
    if len(calls.items()) != count:
        raise calls.wrong(f"{count} simulated calls")
    return tuple(map(_simulated_call, calls.items()))


def _simulated_call(answer: AnswerField) -> SimulatedCall:
    succeeded, events, most = answer.field("status").flag(), answer.field("logs"), answer.field("maxUsedGas")
    return SimulatedCall(
        succeeded=succeeded,
        data=answer.field("returnData").data() if succeeded else _revert_data(answer),
        gas_used=answer.field("gasUsed").integer(),
        # Some clients leave the logs of a reverted call out.
        logs=() if events.is_null and not succeeded else logs(events),
        max_gas_used=None if most.is_null else most.integer(),
    )


def _revert_data(answer: AnswerField) -> bytes:
    """In ``error.data`` or in ``returnData``, depending on the client."""
    error, returned = answer.field("error"), answer.field("returnData")
    data = error.field("data") if isinstance(error.value, dict) else error
    if isinstance(data.value, str) and data.value != "0x":
        return data.data()
    return b"" if returned.is_null else returned.data()


def _nonce(name: str, transaction: AnswerField) -> int:
    """Nonces are decimal there, as the names of fields."""
    if not (name.isascii() and name.isdecimal()) or len(name) > 18:
        raise transaction.wrong("a transaction under its decimal nonce")
    return int(name)

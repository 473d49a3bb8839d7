"""The fee that a rollup charges for publishing a transaction on its parent chain.

OP stack: an amount of ether on top of the gas. The predeploy GasPriceOracle gives it, with the operator fee where the
chain has one. Arbitrum: extra gas. ArbGasInfo gives its price. Only the node knows how much gas a transaction needs: it
answers a direct eth_call of NodeInterface, which no contract can make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keeper.address_book.book import Rollup
from keeper.chain.abi import DecodeError, load
from keeper.chain.calls import Answers, Call, call
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.rpc.reads import Reads
from keeper.domain.errors import RpcError, SimulationFailed
from keeper.domain.market import Block
from keeper.jsonrpc.field import AnswerField
from keeper.jsonrpc.requests import Request
from keeper.planning.gas import TYPICAL_BYTES

TYPICAL_GAS = 2_500_000
"""Used for the operator fee before there is a simulation. It is the default of decision.rebalance_gas."""
GAS_PER_BYTE = 16
"""EIP-2028, for a nonzero byte. ArbOS charges for the compressed bytes, so this is never too little."""

GAS_PRICE_ORACLE = "0x420000000000000000000000000000000000000F"
ARB_GAS_INFO = "0x000000000000000000000000000000000000006C"
NODE_INTERFACE = "0x00000000000000000000000000000000000000C8"

_ORACLE = load("GasPriceOracle")
_GAS_INFO = load("ArbGasInfo")
_NODE = load("NodeInterface")
_UNKNOWN_NUMBER = 0x9E3779B97F4A7C15
"""Stands for eight bytes that are unknown before signing, such as fees: of full length and hard to compress."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """``wei`` is paid in addition to the transaction's own gas. ``gas`` is the gas limit that it needs in all, 0 if
    publishing takes no gas."""

    wei: int
    gas: int


@dataclass(frozen=True, slots=True)
class UnsignedCall:
    """A contract call before it is signed. ``gas`` is what it uses by itself."""

    sender: str
    to: str
    calldata: bytes
    gas: int


def calls(rollup: Rollup) -> list[Call[int]]:
    """The calls that ``typical_fee_wei`` needs. There are none on a chain that is not a rollup."""
    match rollup:
        case "op-stack":
            return [_upper_bound(TYPICAL_BYTES), _operator_fee(TYPICAL_GAS)]
        case "arbitrum":
            return [_l1_base_fee()]
        case _:
            return []


def require_priced(rollup: Rollup, answers: Answers) -> None:
    """Raises WrongContract if the rollup's contract gives no price: the chain is of another kind, or an OP stack from
    before Fjord."""
    for price_call in calls(rollup)[:1]:
        answers.first(price_call)


def typical_fee_wei(rollup: Rollup, answers: Answers) -> int:
    """The cost of publishing TYPICAL_BYTES at the block of the answers. Raises NodeUntrusted."""
    match rollup:
        case "op-stack":
            operator = answers.maybe(_operator_fee(TYPICAL_GAS)) or 0
            return answers.of(_upper_bound(TYPICAL_BYTES)) + operator
        case "arbitrum":
            return answers.of(_l1_base_fee()) * GAS_PER_BYTE * TYPICAL_BYTES
        case _:
            return 0


def publishing(rollup: Rollup, rpc: Reads, multicall: str, block: Block, sent: UnsignedCall) -> Publishing:
    """The cost of publishing this call. It takes one round trip on a rollup, none elsewhere.

    Raises SimulationFailed if an Arbitrum node has no NodeInterface, NodeUnavailable, NodeUntrusted.
    """
    match rollup:
        case "op-stack":
            exact = _exact_fee(unsigned_transaction(block.chain_id, sent.to, sent.calldata))
            answers = Multicall(rpc, multicall).read([exact, _operator_fee(sent.gas)], block.hash)
            return Publishing(answers.of(exact) + (answers.maybe(_operator_fee(sent.gas)) or 0), 0)
        case "arbitrum":
            return _components(rpc, block, sent)
        case _:
            return Publishing(0, 0)


def unsigned_transaction(chain_id: int, to: str, calldata: bytes) -> bytes:
    """An EIP-1559 transaction as GasPriceOracle.getL1Fee expects it: the oracle adds the signature's size. Nonce, fees
    and gas limit are not known yet, so placeholders of the largest size stand for them."""
    import rlp

    fee, tip = _UNKNOWN_NUMBER, _UNKNOWN_NUMBER ^ _UNKNOWN_NUMBER >> 1
    nonce, gas_limit = fee >> 32, fee >> 40
    unsigned = [chain_id, nonce, tip, fee, gas_limit, bytes.fromhex(to.removeprefix("0x")), 0, calldata, []]
    return b"\x02" + bytes(rlp.encode(unsigned))


def _components(rpc: Reads, block: Block, sent: UnsignedCall) -> Publishing:
    """``gasEstimate`` includes ``gasEstimateForL1``. The first sets the gas limit, the second the cost."""
    function = _NODE["gasEstimateComponents"]
    data = "0x" + function.encode(sent.to, False, sent.calldata).hex()  # noqa: FBT003

    def parse(answer: AnswerField) -> Publishing:
        gas, for_l1, base_fee, _ = function.decode(answer.data())
        if not 0 < for_l1 <= gas:
            raise answer.wrong(f"an estimate with a part for publishing, but {for_l1} of {gas} gas")
        return Publishing(for_l1 * base_fee, gas)

    transaction = {"from": sent.sender, "to": NODE_INTERFACE, "data": data}
    try:
        return rpc.request(Request("eth_call", (transaction, {"blockHash": block.hash}), parse))
    except RpcError as error:
        raise _no_estimate(error.message) from error
    except DecodeError as error:
        raise _no_estimate(f"{error} (eth_call of {rpc.endpoint})") from error


def _no_estimate(why: str) -> SimulationFailed:
    return SimulationFailed(
        f"NodeInterface does not say how much gas publishing takes: {why}",
        remedy="Use an Arbitrum Nitro node. Without this answer the gas limit would be too low.",
    )


def _upper_bound(size: int) -> Call[int]:
    """Wei for an unsigned transaction of this size. Reverts before Fjord."""
    return _oracle_call("getL1FeeUpperBound", size)


def _exact_fee(transaction: bytes) -> Call[int]:
    return _oracle_call("getL1Fee", transaction)


def _operator_fee(gas: int) -> Call[int]:
    """Wei. Chains before Isthmus do not have this function."""
    return _oracle_call("getOperatorFee", gas)


def _oracle_call(function: str, *arguments: Any) -> Call[int]:
    return call("OP stack's GasPriceOracle", GAS_PRICE_ORACLE, _ORACLE[function], *arguments)


def _l1_base_fee() -> Call[int]:
    """Wei per unit of gas on the parent chain, as ArbOS estimates it."""
    return call("Arbitrum's ArbGasInfo", ARB_GAS_INFO, _GAS_INFO["getL1BaseFeeEstimate"])

"""Asks the Roles modifier, as the keeper's key and without sending, which calls it would let pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.chain.abi import DecodeError, decode_values, load
from keeper.chain.calls import Call, CallResult
from keeper.chain.deployed import Deployment
from keeper.chain.reverts import CONDITIONS
from keeper.chain.rpc.multicall import executed_by
from keeper.chain.rpc.reads import Reads
from keeper.domain.errors import NodeUnavailable
from keeper.domain.market import Block
from keeper.domain.plan import VaultCall

CALL, DELEGATECALL = 0, 1
NOT_ALLOWED = {
    CONDITIONS.index(name)
    for name in ("DelegateCallNotAllowed", "TargetAddressNotAllowed", "FunctionNotAllowed", "SendNotAllowed")
}
PROBE_GAS = 15_000_000
_REBALANCER = load("Rebalancer")
_ROLES = load("RolesModifier")


@dataclass(frozen=True, slots=True)
class Probe:
    """A call that the key could ask of the modifier."""

    what: str
    to: str
    data: bytes
    value: int = 0
    operation: int = CALL


def lets_keeper_act(rpc: Reads, deployment: Deployment, *, key: str, block: Block) -> bool:
    """Whether the key's role has both calls of the keeper. One request. True where no node answers such a question: the
    simulation of a plan finds it out as well. Raises NodeUntrusted."""
    try:
        return all(map(passes, tried(rpc, deployment, list(keeper_calls(deployment)), key=key, block=block)))
    except NodeUnavailable:
        return True


def tried(
    rpc: Reads, deployment: Deployment, probes: Sequence[Probe], *, key: str, block: Block
) -> tuple[CallResult, ...]:
    """What the modifier says to each, with the key as its caller."""
    assert deployment.hop is not None
    modifier = deployment.hop.modifier
    role = bytes.fromhex(modifier.role[2:])
    calls: list[Call[Any]] = [
        Call(
            probe.what,
            modifier.address,
            _ROLES["execTransactionWithRole"].encode(
                probe.to,
                probe.value,
                probe.data,
                probe.operation,
                role,
                True,  # noqa: FBT003
            ),
            decode=bytes,
        )
        for probe in probes
    ]
    overrides = {key: {"code": deployment.multicall_code}}
    return rpc.request(
        executed_by(
            key,
            calls,
            gas=min(PROBE_GAS, block.gas_limit),
            block_hash=block.hash,
            overrides=overrides,
        )
    )


def passes(outcome: CallResult) -> bool:
    """Whether the modifier would let the call pass; what it says only of the arguments does not count as a refusal."""
    if outcome.success:
        return True
    error = _ROLES.errors["ConditionViolation"]
    if outcome.data[:4] == error.selector:
        try:
            status, _ = decode_values(error.inputs, outcome.data[4:])
        except DecodeError:
            return True
        return status not in NOT_ALLOWED
    return outcome.data[:4] not in {
        _ROLES.errors[name].selector for name in ("NoMembership", "NotAuthorized")
    } and outcome.data[:4] != bytes.fromhex("08c379a0")


def keeper_calls(deployment: Deployment) -> Iterator[Probe]:
    for function in VaultCall:
        yield Probe(function.value, deployment.rebalancer, _REBALANCER[function.value].selector)

"""What a Safe's owners sign instead of a deployer: the calls, cut into batches, as files of Safe's Transaction Builder.

A Safe's queue takes calls, not creations. So the first call makes a contract that creates for this Safe alone
(``SafeDeployer``), and its nonce decides the vault's addresses as a deployer's would. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from keeper.chain.abi import artifact_of, constructor_types, load
from keeper.chain.admin.deployment_plan import DeploymentTransaction
from keeper.domain.plan import VaultCall
from keeper.domain.roles_modifier import RolesModifier

DEPLOYER = "SafeDeployer"
CREATE2_FACTORY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""The deterministic deployment proxy (github.com/Arachnid/deterministic-deployment-proxy), at this address on nearly
every chain. Its calldata is a salt and the creation code."""
SALT = bytes(32)
FIRST_NONCE = 1
"""A contract's first creation has this nonce (EIP-161)."""
MAX_BATCH_GAS = 12_000_000
"""Of one batch, which is one transaction. EIP-7825 lets it have 16.8 M; the rest is for the Safe's own work."""
CALL_ONLY = 0
"""Zodiac's ExecutionOptions.None: neither value nor delegatecall."""
BUILDER_VERSION = "1.18.2"


@dataclass(frozen=True, slots=True)
class SafeCall:
    """A call that the Safe makes, without value. ``gas`` is what it uses about. ``with_previous``: it is in the batch
    of the call before it, so that it happens only if that one does. ``alone``: nothing else is in its batch."""

    what: str
    to: str
    data: bytes
    gas: int
    with_previous: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """That ``key`` may rebalance and deleverage as the ``safe`` through the modifier. ``enabled``: the Safe lets the
    modifier act already."""

    safe: str
    modifier: RolesModifier
    key: str
    rebalancer: str
    enabled: bool


def deployer_code(safe: str) -> bytes:
    """The creation code of the Safe's own deployer."""
    from eth_abi.abi import encode

    code = bytes.fromhex(artifact_of(DEPLOYER)["bytecode"][2:])
    return code + encode(constructor_types(DEPLOYER), (safe,))


def deployer_of(safe: str) -> str:
    """Its address, the same on every chain."""
    from eth_utils.address import to_checksum_address

    seed = b"\xff" + bytes.fromhex(CREATE2_FACTORY[2:]) + SALT + keccak(deployer_code(safe))
    return to_checksum_address(keccak(seed)[12:])


def deployer_call(safe: str) -> SafeCall:
    """In a batch of its own. Anybody can make this contract first, and then the call reverts and is not needed."""
    return SafeCall(
        "the Safe's deployer", CREATE2_FACTORY, SALT + deployer_code(safe), gas=350_000, alone=True
    )


def deployment_call(deployer: str, transaction: DeploymentTransaction, gas: int) -> SafeCall:
    """A transaction of a deployment plan, made by the Safe's deployer."""
    abi = load(DEPLOYER)
    if transaction.to is None:
        data = abi["create"].encode(transaction.data, transaction.creates)
    else:
        data = abi["call"].encode(transaction.to, transaction.data)
    return SafeCall(transaction.what, deployer, data, gas=gas)


def role_calls(grant: RoleGrant) -> Iterator[SafeCall]:
    """What the Safe, which owns the modifier, must do so that the key can act and nothing else."""
    safe, roles = load("Safe"), load("RolesModifier")
    modifier, role = grant.modifier.address, bytes.fromhex(grant.modifier.role[2:])
    if not grant.enabled:
        yield SafeCall("enableModule", grant.safe, safe["enableModule"].encode(modifier), gas=80_000)
    yield SafeCall(
        "assignRoles", modifier, roles["assignRoles"].encode(grant.key, [role], [True]), gas=120_000
    )
    yield SafeCall("scopeTarget", modifier, roles["scopeTarget"].encode(role, grant.rebalancer), gas=80_000)
    for function in VaultCall:
        selector = load("Rebalancer")[function.value].selector
        data = roles["allowFunction"].encode(role, grant.rebalancer, selector, CALL_ONLY)
        yield SafeCall(f"allowFunction {function.value}", modifier, data, gas=80_000)


def batches(calls: Sequence[SafeCall]) -> tuple[tuple[SafeCall, ...], ...]:
    """In their order, each with at most MAX_BATCH_GAS, or with one call and those that belong to it."""
    made: list[list[SafeCall]] = []
    for unit in _units(calls):
        full = not made or made[-1][0].alone or unit[0].alone
        if full or sum(call.gas for call in (*made[-1], *unit)) > MAX_BATCH_GAS:
            made.append([])
        made[-1] += unit
    return tuple(map(tuple, made))


def _units(calls: Sequence[SafeCall]) -> list[list[SafeCall]]:
    units: list[list[SafeCall]] = []
    for call in calls:
        if not units or not call.with_previous:
            units.append([])
        units[-1].append(call)
    return units


def builder_file(
    calls: Sequence[SafeCall], *, safe: str, chain_id: int, name: str, created_at: int
) -> dict[str, Any]:
    """The file that the Transaction Builder imports. ``created_at`` is Unix seconds."""
    content: dict[str, Any] = {
        "version": "1.0",
        "chainId": str(chain_id),
        "createdAt": created_at * 1_000,
        "meta": {
            "name": name,
            "description": ", ".join(call.what for call in calls),
            "txBuilderVersion": BUILDER_VERSION,
            "createdFromSafeAddress": safe,
            "createdFromOwnerAddress": "",
        },
        "transactions": [
            {
                "to": call.to,
                "value": "0",
                "data": "0x" + call.data.hex(),
                "contractMethod": None,
                "contractInputsValues": None,
            }
            for call in calls
        ],
    }
    meta = {**content["meta"], "checksum": _checksum(content)}
    return {**content, "meta": meta}


def _checksum(content: dict[str, Any]) -> str:
    """As the Transaction Builder counts it: over the file without its name."""
    unnamed = {**content, "meta": {**content["meta"], "name": None}}
    return "0x" + keccak(text=_serialised(unnamed)).hex()


def _serialised(value: Any) -> str:
    """The Transaction Builder's own form: the sorted keys as a list, then each value and a comma."""
    if isinstance(value, list):
        return f"[{','.join(map(_serialised, value))}]"
    if isinstance(value, dict):
        keys = sorted(value)
        return f"{{{_json(keys)}{''.join(_serialised(value[key]) + ',' for key in keys)}}}"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

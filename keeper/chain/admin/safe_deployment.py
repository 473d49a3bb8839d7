"""The deployment of a vault by a Safe: what its owners sign, and its rehearsal. Nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hexbytes import HexBytes

from keeper.chain.abi import DecodeError, Function, load
from keeper.chain.admin.deployment import rehearsed, timelock_delay, unsent
from keeper.chain.admin.deployment_plan import DeploymentPlan, planned
from keeper.chain.admin.safe_batches import (
    CREATE2_FACTORY,
    FIRST_NONCE,
    RoleGrant,
    SafeCall,
    deployer_call,
    deployer_of,
    deployment_call,
    role_calls,
)
from keeper.chain.admin.vault_blueprint import VaultBlueprint, check
from keeper.domain.errors import InvalidSetting, Refused, WrongContract
from keeper.domain.roles_modifier import RolesModifier

if TYPE_CHECKING:
    from web3 import Web3

_SAFE, _ROLES = load("Safe"), load("RolesModifier")


@dataclass(frozen=True, slots=True)
class RoleRequest:
    """That ``key`` gets a role of the modifier once the vault is there."""

    modifier: RolesModifier
    key: str


@dataclass(frozen=True, slots=True)
class SafeDeployment:
    """``plan`` are the transactions of the Safe's deployer, ``gas`` of those that are not made yet; ``calls`` what the
    Safe does, in order."""

    safe: str
    plan: DeploymentPlan
    gas: tuple[int, ...]
    calls: tuple[SafeCall, ...]


def prepared_for_safe(
    w3: Web3,
    safe: str,
    blueprint: VaultBlueprint,
    *,
    first_nonce: int | None = None,
    role: RoleRequest | None = None,
) -> SafeDeployment:
    """``first_nonce`` continues a deployment that stopped: that of the deployer's first creation for it.

    Raises as ``deployment.prepared`` and ``rehearsed``; WrongContract where ``safe`` is no Safe, or the chain has no
    deterministic deployment proxy; InvalidSetting for a role of a vault whose keeper the Safe is not.
    """
    check(blueprint)
    _answer(w3, safe, _SAFE["getThreshold"], what="Safe")
    if blueprint.roles.admin is not None:
        timelock_delay(w3, blueprint.roles.admin)
    _require_code(w3, CREATE2_FACTORY, "deterministic deployment proxy")
    deployer = w3.to_checksum_address(deployer_of(safe))
    made = bool(w3.eth.get_code(deployer))
    start = first_nonce if first_nonce is not None else w3.eth.get_transaction_count(deployer)
    plan = replace(planned(blueprint, deployer, max(start, FIRST_NONCE)), by_contract=True)
    gas = rehearsed(w3, plan)
    waiting = unsent(w3, plan)
    if len(waiting) != len(gas):
        raise Refused(
            f"the Safe's deployer {deployer} made something while this command looked",
            remedy="Repeat the command with the same --first-nonce.",
        )
    calls = [] if made else [deployer_call(safe)]
    calls += [
        deployment_call(deployer, transaction, spent) for transaction, spent in zip(waiting, gas, strict=True)
    ]
    if role is not None:
        grant = _grant(w3, safe, blueprint, role=role, rebalancer=plan.contracts.rebalancer)
        # With the set-up or not at all: it reverts where the vault is there already, or where the deployer is at
        # another nonce, and then no key gets a role. Without transactions left the vault was set up before.
        calls += [replace(call, with_previous=bool(waiting)) for call in role_calls(grant)]
    return SafeDeployment(safe, plan, gas=gas, calls=tuple(calls))


def _grant(
    w3: Web3, safe: str, blueprint: VaultBlueprint, *, role: RoleRequest, rebalancer: str
) -> RoleGrant:
    if blueprint.roles.keeper.lower() != safe.lower():
        raise InvalidSetting(
            f"roles.keeper is {blueprint.roles.keeper}, not the Safe {safe} as which the key is to act",
            remedy="Write the Safe as roles.keeper, or leave out --modifier and --key.",
        )
    modifier = role.modifier.address
    for function, expected in ((_ROLES["avatar"], safe), (_ROLES["target"], safe), (_ROLES["owner"], safe)):
        answer = str(_answer(w3, modifier, function, what="Roles modifier"))
        if answer.lower() != expected.lower():
            raise WrongContract(
                f"{function.signature} of the modifier {modifier} is {answer}, not the Safe {expected}",
                remedy="Give a modifier whose owner, avatar and target the Safe is, as Zodiac's app installs it.",
            )
    enabled = bool(_answer(w3, safe, _SAFE["isModuleEnabled"], modifier, what="Safe"))
    return RoleGrant(safe, role.modifier, key=role.key, rebalancer=rebalancer, enabled=enabled)


def _require_code(w3: Web3, address: str, what: str) -> None:
    if not w3.eth.get_code(w3.to_checksum_address(address)):
        raise WrongContract(
            f"there is no {what} at {address} on this chain",
            remedy="Deploy with a keystore instead, or have that contract deployed first.",
        )


def _answer(w3: Web3, address: str, function: Function, *arguments: object, what: str) -> Any:
    from web3.exceptions import ContractLogicError

    try:
        data = w3.eth.call(
            {"to": w3.to_checksum_address(address), "data": HexBytes(function.encode(*arguments))}
        )
        return function.decode(data)[0]
    except (ContractLogicError, DecodeError) as error:
        raise WrongContract(
            f"{address} does not answer {function.signature}: it is no {what}",
            remedy="Correct this address, or the chain of the node.",
        ) from error

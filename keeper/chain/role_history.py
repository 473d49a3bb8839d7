"""What a Roles modifier lets each account do, from the events of its whole history. The contract has no view of it.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from keeper.chain.abi import DecodeError, decode_values
from keeper.jsonrpc.answers import Log

CONDITIONS = "(uint8,uint8,uint8,bytes)[]"
EVENTS = {
    "AssignRoles": ("address", "bytes32[]", "bool[]"),
    "AllowTarget": ("bytes32", "address", "uint8"),
    "ScopeTarget": ("bytes32", "address"),
    "RevokeTarget": ("bytes32", "address"),
    "AllowFunction": ("bytes32", "address", "bytes4", "uint8"),
    "ScopeFunction": ("bytes32", "address", "bytes4", CONDITIONS, "uint8"),
    "RevokeFunction": ("bytes32", "address", "bytes4"),
    "SetUnwrapAdapter": ("address", "bytes4", "address"),
}
"""Name and types of every event that changes what a member may do. None has an indexed argument. An allowance is
left out: it only narrows conditions."""
BEGINNINGS = ("RolesModSetup(address,address,address,address)", "Initialized(uint64)")
"""The events of a modifier's set-up. A history without either is cut off."""
NOBODY = "0x" + "0" * 40
_BY_TOPIC = {"0x" + keccak(text=f"{name}({','.join(types)})").hex(): name for name, types in EVENTS.items()}
_BEGINS = {"0x" + keccak(text=signature).hex() for signature in BEGINNINGS}


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing that a role allows. ``function`` is a selector in 0x-hex, empty for every function of the target.
    ``options``: whether value may be sent and the target be delegatecalled; 0 is neither. ``conditions``: arguments may
    be refused. Addresses are lower-case."""

    role: str
    target: str
    function: str
    options: int
    conditions: bool = False


@dataclass(frozen=True, slots=True)
class RoleHistory:
    """``grants``: by member what it may do, the oldest first. ``adapters``: the calls, as "function of address", that
    the modifier takes apart before it checks them. ``begins``: the modifier's set-up is part of it."""

    grants: Mapping[str, tuple[Grant, ...]]
    adapters: tuple[str, ...]
    begins: bool

    def of(self, account: str) -> tuple[Grant, ...]:
        return self.grants.get(account.lower(), ())


@dataclass(slots=True)
class _Role:
    """``whole``: targets that are allowed as they are, ``scoped``: those of which single functions are."""

    members: set[str] = field(default_factory=set)
    whole: dict[str, int] = field(default_factory=dict)
    scoped: set[str] = field(default_factory=set)
    functions: dict[tuple[str, str], tuple[int, bool]] = field(default_factory=dict)


def role_history(logs: Iterable[Log]) -> RoleHistory:
    """What the members may do after these events of one modifier. Raises DecodeError."""
    roles: dict[str, _Role] = {}
    adapters: dict[str, str] = {}
    begins = False
    for log in logs:
        topic = log.topics[0] if log.topics else ""
        begins = begins or topic in _BEGINS
        name = _BY_TOPIC.get(topic)
        if name is None:
            continue
        values = decode_values(EVENTS[name], log.data)
        if name == "SetUnwrapAdapter":
            adapters[f"{_hex(values[1])} of {values[0].lower()}"] = values[2].lower()
        else:
            _apply(roles, name, values)
    granted: dict[str, tuple[Grant, ...]] = {}
    for key, role in roles.items():
        for member in sorted(role.members):
            granted[member] = (*granted.get(member, ()), *_granted(key, role))
    set_up = tuple(taken_apart for taken_apart, adapter in adapters.items() if adapter != NOBODY)
    return RoleHistory(granted, adapters=set_up, begins=begins)


def _granted(key: str, role: _Role) -> Iterator[Grant]:
    for target, options in role.whole.items():
        yield Grant(key, target, function="", options=options)
    for (target, function), (options, conditions) in role.functions.items():
        if target in role.scoped:
            yield Grant(key, target, function=function, options=options, conditions=conditions)


def _apply(roles: dict[str, _Role], name: str, values: tuple[Any, ...]) -> None:
    if name == "AssignRoles":
        account, keys, membership = values
        if len(keys) != len(membership):
            raise DecodeError("AssignRoles has another number of roles than of memberships")
        for key, member in zip(keys, membership, strict=True):
            members = roles.setdefault(_hex(key), _Role()).members
            if member:
                members.add(account.lower())
            else:
                members.discard(account.lower())
        return
    role, target = roles.setdefault(_hex(values[0]), _Role()), values[1].lower()
    if name in ("AllowTarget", "ScopeTarget", "RevokeTarget"):
        role.whole.pop(target, None)
        role.scoped.discard(target)
        if name == "AllowTarget":
            role.whole[target] = values[2]
        elif name == "ScopeTarget":
            role.scoped.add(target)
    elif name == "RevokeFunction":
        role.functions.pop((target, _hex(values[2])), None)
    else:
        role.functions[(target, _hex(values[2]))] = values[-1], name == "ScopeFunction"


def _hex(value: bytes) -> str:
    return "0x" + value.hex()

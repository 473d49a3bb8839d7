"""What a Roles modifier lets a key do, by the events of its history."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import abi_to_signature
from eth_utils.crypto import keccak

from keeper.chain.abi import DecodeError
from keeper.chain.powers import changing_functions
from keeper.chain.role_history import BEGINNINGS, EVENTS, Grant, role_history
from keeper.devnet.paths import NODE_MODULES
from keeper.jsonrpc.answers import Log

KEY, OTHER_KEY = "0x" + "aa" * 20, "0x" + "bb" * 20
VAULT, TOKEN = "0x" + "11" * 20, "0x" + "22" * 20
ROLE, OTHER_ROLE = b"keeper".ljust(32, b"\0"), b"trader".ljust(32, b"\0")
REBALANCE, TRANSFER = bytes.fromhex("f1eabd8b"), bytes.fromhex("a9059cbb")


def event(name: str, *values: Any) -> Log:
    types = EVENTS[name]
    topic = "0x" + keccak(text=f"{name}({','.join(types)})").hex()
    return Log("0x" + "99" * 20, (topic,), encode(types, values))


def assigned(key: str, role: bytes = ROLE, *, member: bool = True) -> Log:
    return event("AssignRoles", key, [role], [member])


def grant(function: bytes, target: str = VAULT, role: bytes = ROLE, options: int = 0) -> Grant:
    return Grant("0x" + role.hex(), target, f"0x{function.hex()}" if function else "", options)


def grants(logs: list[Log], account: str) -> tuple[Grant, ...]:
    return role_history(logs).of(account)


ALLOWED = [
    event("ScopeTarget", ROLE, VAULT),
    event("AllowFunction", ROLE, VAULT, REBALANCE, 0),
    assigned(KEY),
]


def test_a_member_may_do_what_its_role_allows() -> None:
    assert grants(ALLOWED, KEY) == (grant(REBALANCE),)
    assert grants(ALLOWED, OTHER_KEY) == ()


@pytest.mark.parametrize(
    ("later", "left"),
    [
        ([assigned(KEY, member=False)], ()),
        ([event("RevokeFunction", ROLE, VAULT, REBALANCE)], ()),
        ([event("RevokeTarget", ROLE, VAULT)], ()),
        ([event("RevokeTarget", ROLE, VAULT), event("ScopeTarget", ROLE, VAULT)], (grant(REBALANCE),)),
        ([event("AllowTarget", ROLE, VAULT, 2)], (grant(b"", options=2),)),
        ([event("AllowFunction", ROLE, TOKEN, TRANSFER, 0)], (grant(REBALANCE),)),
        (
            [event("ScopeTarget", ROLE, TOKEN), event("ScopeFunction", ROLE, TOKEN, TRANSFER, [], 1)],
            (grant(REBALANCE), replace(grant(TRANSFER, TOKEN, options=1), conditions=True)),
        ),
        (
            [event("AllowTarget", OTHER_ROLE, TOKEN, 0), assigned(KEY, OTHER_ROLE)],
            (grant(REBALANCE), grant(b"", TOKEN, OTHER_ROLE)),
        ),
    ],
    ids=[
        "no member",
        "no function",
        "no target",
        "target again",
        "whole target",
        "unscoped target",
        "conditions",
        "other role",
    ],
)
def test_later_events_change_it(later: list[Log], left: tuple[Grant, ...]) -> None:
    assert grants([*ALLOWED, *later], KEY) == left


def test_other_events_change_nothing_and_a_broken_one_is_no_history() -> None:
    strange = Log("0x" + "99" * 20, ("0x" + "12" * 32,), b"")
    assert grants([strange, Log("0x" + "99" * 20, (), b""), *ALLOWED], KEY) == (grant(REBALANCE),)
    with pytest.raises(DecodeError):
        grants([Log("0x" + "99" * 20, ALLOWED[0].topics, b"\x01")], KEY)
    with pytest.raises(DecodeError):
        grants([event("AssignRoles", KEY, [ROLE], [])], KEY)


def test_the_events_are_those_of_zodiacs_package() -> None:
    file = NODE_MODULES / "@gnosis.pm/zodiac/dist/cjs/abi/RolesV2.json"
    if not file.exists():
        pytest.skip("no node_modules: run make setup")
    shipped = json.loads(file.read_text())
    events = [entry for entry in shipped if entry["type"] == "event"]
    known = {f"{name}({','.join(types)})" for name, types in EVENTS.items()}
    assert known <= {abi_to_signature(entry) for entry in events}
    changing = {entry["name"] for entry in events if "roleKey" in str(entry["inputs"])}
    assert (changing - {"SetDefaultRole"}) | {"SetUnwrapAdapter"} == set(EVENTS)
    assert set(BEGINNINGS) <= {abi_to_signature(entry) for entry in events}


def test_adapters_and_the_beginning_are_part_of_the_history() -> None:
    adapter = event("SetUnwrapAdapter", TOKEN, TRANSFER, OTHER_KEY)
    assert role_history([adapter]).adapters == (f"0xa9059cbb of {TOKEN}",)
    removed = event("SetUnwrapAdapter", TOKEN, TRANSFER, "0x" + "00" * 20)
    assert role_history([adapter, removed]).adapters == ()
    set_up = Log("0x" + "99" * 20, ("0x" + keccak(text=BEGINNINGS[0]).hex(),), b"")
    assert not role_history(ALLOWED).begins
    assert role_history([set_up, *ALLOWED]).begins


@pytest.mark.parametrize(
    ("name", "shipped"),
    [
        ("Safe", "@safe-global/safe-contracts/build/artifacts/contracts/Safe.sol/Safe.json"),
        ("RolesModifier", "@gnosis.pm/zodiac/dist/cjs/abi/RolesV2.json"),
    ],
)
def test_doctor_tries_every_function_that_changes_safe_or_modifier(name: str, shipped: str) -> None:
    file = NODE_MODULES / shipped
    if not file.exists():
        pytest.skip("no node_modules: run make setup")
    content = json.loads(file.read_text())
    entries = content if isinstance(content, list) else content["abi"]
    changing = {
        abi_to_signature(entry)
        for entry in entries
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    assert {keccak(text=signature)[:4] for signature in changing} == {
        selector for _, selector in changing_functions(name)
    }

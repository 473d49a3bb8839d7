"""The Safe that is the vault's keeper, and the Roles modifier through which the keeper's key acts as it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from keeper.chain.abi import load
from keeper.chain.calls import Answers, Call, CallResult, call, mapped
from keeper.chain.deployed import SafeHop
from keeper.chain.listed_pools import ZERO_ADDRESS
from keeper.domain.roles_modifier import EXECUTED, InnerAnswer, RolesModifier, inner_answer

_SAFE = load("Safe")
_ROLES = load("RolesModifier")
FAILED_INSIDE = _ROLES.errors["ModuleTransactionFailed"].selector
FIRST_MODULE = "0x" + "1".rjust(40, "0")
"""Where a Safe's list of modules begins and ends."""
PAGE = 50


@dataclass(frozen=True, slots=True)
class ModulePage:
    """The modules that may act as a Safe without its owners; ``more`` where there are further ones."""

    modules: tuple[str, ...]
    more: bool


# -------------------------------------------------------------------- the Safe


def owners(safe: str) -> Call[tuple[str, ...]]:
    return mapped(
        "Safe", safe, _SAFE["getOwners"], build=lambda listed: tuple(map(to_checksum_address, listed))
    )


def threshold(safe: str) -> Call[int]:
    return call("Safe", safe, _SAFE["getThreshold"])


def version(safe: str) -> Call[str]:
    return call("Safe", safe, _SAFE["VERSION"])


def modules(safe: str) -> Call[ModulePage]:
    return mapped(
        "Safe",
        safe,
        _SAFE["getModulesPaginated"],
        lambda listed, following: ModulePage(
            tuple(map(to_checksum_address, listed)), following not in (FIRST_MODULE, ZERO_ADDRESS)
        ),
        FIRST_MODULE,
        PAGE,
    )


def has_enabled(contract: str, module: str) -> Call[bool]:
    """Whether ``module`` may act through the Safe, or through the modifier."""
    return call("Safe or modifier", contract, _SAFE["isModuleEnabled"], module)


# ---------------------------------------------------------------- the modifier


def avatar(modifier: str) -> Call[str]:
    """The Safe as which it acts."""
    return call("Roles modifier", modifier, _ROLES["avatar"])


def target(modifier: str) -> Call[str]:
    """The contract that it asks to act: the Safe itself, or another modifier before it."""
    return call("Roles modifier", modifier, _ROLES["target"])


def owner(modifier: str) -> Call[str]:
    """Who may allow anything to any role."""
    return call("Roles modifier", modifier, _ROLES["owner"])


def default_role(modifier: str, account: str) -> Call[bytes]:
    """The role of a call that names none."""
    return call("Roles modifier", modifier, _ROLES["defaultRoles"], account)


def identity(modifier: str) -> list[Call[Any]]:
    """The calls that ``hop`` needs."""
    return [avatar(modifier), target(modifier)]


def hop(modifier: RolesModifier, answers: Answers) -> SafeHop:
    safe, asked = answers.first(avatar(modifier.address)), answers.first(target(modifier.address))
    return SafeHop(modifier, to_checksum_address(safe), target=to_checksum_address(asked))


def links(safe_hop: SafeHop, key: str) -> list[Call[bool]]:
    """Whether the Safe lets the modifier act, and the modifier the key."""
    modifier = safe_hop.modifier.address
    return [has_enabled(safe_hop.safe, modifier), has_enabled(modifier, key)]


# ------------------------------------------------------------- what came of it


def refusal(outcome: CallResult) -> bytes | None:
    """The revert data of a call through the modifier. None where the Safe's call succeeded; empty where the modifier
    says that it failed, and not why."""
    if not outcome.success:
        return outcome.data
    return None if outcome.data == EXECUTED else b""


def answered(outcome: CallResult) -> InnerAnswer:
    """What came of the Safe's call by the answer to a ``roles_modifier.question``. What the modifier itself refuses is
    a failure, too."""
    if not outcome.success:
        return InnerAnswer(succeeded=False, data=outcome.data)
    return inner_answer(outcome.data) or InnerAnswer(succeeded=False, data=b"")

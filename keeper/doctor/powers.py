"""Checks of the chain of powers where a Safe is the vault's keeper: who can act as it, and what the keeper's key can
do."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.chain.powers import NO_ROLE, Powers, read_powers
from keeper.chain.role_history import Grant, RoleHistory
from keeper.doctor.diagnosis import Diagnosis, DoctorContext, failed, ok, warning
from keeper.domain.errors import NotAuthorised
from keeper.domain.plan import VaultCall
from keeper.settings.endpoints import endpoints
from keeper.tx.allowlist import REBALANCER_SELECTORS

SEVERAL = 2
"""Owners. Fewer are one person."""
SHOWN = 5
Finding = tuple[str, str]
"""What is wrong, and its remedy."""


def safe(context: DoctorContext) -> Diagnosis:
    """From the vault to the modifier: who acts as the vault's keeper."""
    deployment = context.node.deployment()
    if deployment.hop is None:
        return ok("none: the key itself is to be the vault's keeper")
    where, snapshot = endpoints(context.settings), context.snapshot
    context.powers = powers = read_powers(
        context.reads, where.multicall, deployment, key=snapshot.keeper_address, block=snapshot.block
    )
    described = (
        f"{powers.hop.safe} (version {powers.version}): {powers.threshold} of {len(powers.owners)} owners act as it, "
        f"and {len(powers.modules.modules)} module(s)"
    )
    wrong = list(_wrong_safe(powers, snapshot.keeper_address))
    if wrong:
        return _failed(wrong)
    doubts = list(_doubtful_safe(powers))
    return _warning(described, doubts) if doubts else ok(f"{described}; it is the vault's keeper")


def role(context: DoctorContext) -> Diagnosis:
    """From the modifier to the key: what the key can do as the Safe."""
    deployment = context.node.deployment()
    if deployment.hop is None:
        return ok("none: the key calls the vault itself")
    key, powers = context.snapshot.keeper_address, context.powers
    wrong = list(_wrong_role(powers, key, deployment.rebalancer))
    if wrong:
        return _failed(wrong)
    calls = " and ".join(function.value for function in VaultCall)
    described = (
        f"{key} may make {calls} of {deployment.rebalancer} as the Safe; the modifier would refuse it "
        f"{powers.tried} other calls"
    )
    doubts = list(_doubtful_role(powers, key))
    return _warning(described, doubts) if doubts else ok(f"{described}, and its history allows nothing else")


# --------------------------------------------------------------------- the Safe


def _wrong_safe(powers: Powers, key: str) -> Iterator[Finding]:
    at, modifier = powers.hop.safe, powers.hop.modifier.address
    if powers.vault_keeper.lower() != at.lower():
        yield (
            f"the vault's keeper is {powers.vault_keeper}, not the Safe {at}",
            f"Have the admin call PolicyRegistry.setKeeper({at}), or correct KEEPER_ROLES_MODIFIER.",
        )
    if not powers.hop.direct:
        yield (
            f"the modifier {modifier} asks {powers.hop.target} to act, not its Safe {at}",
            f"Have the Safe call setTarget({at}) of the modifier.",
        )
    if not powers.linked[0]:
        yield (
            f"the Safe {at} does not let the modifier {modifier} act",
            f"Have its owners call enableModule({modifier}) of the Safe.",
        )
    if key.lower() in {owner.lower() for owner in powers.owners}:
        yield (
            f"the keeper's key {key} is an owner of the Safe",
            "Have the owners replace it: a stolen key could propose and sign whatever the Safe can do.",
        )
    if key.lower() in {module.lower() for module in powers.modules.modules}:
        yield (
            f"the keeper's key {key} is a module of the Safe, so that it can do everything as the Safe",
            "Have the owners call disableModule at once.",
        )


def _doubtful_safe(powers: Powers) -> Iterator[Finding]:
    if powers.threshold < SEVERAL:
        yield (
            f"{powers.threshold} owner's signature is enough",
            "Raise the threshold, so that one stolen key is not the Safe.",
        )
    others = [
        module for module in powers.modules.modules if module.lower() != powers.hop.modifier.address.lower()
    ]
    if others or powers.modules.more:
        more = " and more" if powers.modules.more else ""
        yield (
            f"other modules act as the Safe without its owners: {', '.join(others)}{more}",
            "Look at what each lets whom do, or have the owners disable it.",
        )


# --------------------------------------------------------------------- the role


def _wrong_role(powers: Powers, key: str, rebalancer: str) -> Iterator[Finding]:
    modifier = powers.hop.modifier
    if powers.modifier_owner.lower() == key.lower():
        yield (
            f"the keeper's key {key} owns the modifier {modifier.address}, so that it can allow itself everything",
            "Transfer the modifier's ownership to the Safe.",
        )
    if not powers.linked[1]:
        yield (
            f"{key} is no member of the modifier {modifier.address}",
            f"Have the Safe call assignRoles({key}, [{modifier.role}], [true]) of the modifier.",
        )
    elif powers.refused:
        yield (
            "; ".join(f"the modifier refuses {name}: {why}" for name, why in powers.refused.items()),
            f"Have the Safe call the modifier's scopeTarget and allowFunction for {rebalancer} and that role.",
        )
    beyond = [*powers.reachable, *(_named(grant) for grant in _beyond(_grants(powers, key), rebalancer))]
    if beyond:
        more = f" and {len(beyond) - SHOWN} more" if len(beyond) > SHOWN else ""
        yield (
            f"the key can do more than rebalance and deleverage: {'; '.join(beyond[:SHOWN])}{more}",
            "Have the Safe call revokeTarget or revokeFunction of the modifier. A thief could do it as well.",
        )


def _doubtful_role(powers: Powers, key: str) -> Iterator[Finding]:
    if powers.modifier_owner.lower() != powers.hop.safe.lower():
        yield (
            f"the modifier is owned by {powers.modifier_owner}, not by the Safe",
            "Whoever owns it can allow anything to any key: transfer the ownership to the Safe.",
        )
    if powers.default_role not in (NO_ROLE, bytes.fromhex(powers.hop.modifier.role[2:])):
        yield (
            f"the key has the default role 0x{powers.default_role.hex()}",
            "Have the Safe call setDefaultRole with zero: the keeper names its role in every call.",
        )
    if powers.history is None:
        yield (
            "no node gives the modifier's whole history, so that other targets and other members are not known",
            "Name a node that answers eth_getLogs from block 0, or look at the role in Zodiac's app.",
        )
    else:
        yield from _doubtful_history(powers, powers.history, key)
    if powers.key_has_code:
        yield (
            f"the account {key} has code, so that others may act for it",
            "Use an account without code: end its EIP-7702 delegation.",
        )


def _doubtful_history(powers: Powers, history: RoleHistory, key: str) -> Iterator[Finding]:
    if powers.others:
        named = [f"{member}{' (with code)' if has_code else ''}" for member, has_code in powers.others]
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        yield (
            f"other members may act on rebalancer, Safe or modifier: {', '.join(named[:SHOWN])}{more}",
            "Have the Safe take those roles away with assignRoles, or know who has these accounts.",
        )
    if history.adapters:
        yield (
            f"the modifier takes calls apart before it checks them: {', '.join(history.adapters)}",
            "Have the Safe remove the adapters with setTransactionUnwrapper: the keeper needs none.",
        )
    if any(grant.conditions for grant in history.of(key)):
        yield (
            "the key's role has conditions on arguments, which may refuse a call of the keeper when it matters",
            "Have the Safe call allowFunction for the two functions: the vault itself bounds the arguments.",
        )


def _grants(powers: Powers, key: str) -> tuple[Grant, ...]:
    return powers.history.of(key) if powers.history is not None else ()


def _beyond(grants: tuple[Grant, ...], rebalancer: str) -> Iterator[Grant]:
    """What the history allows besides the two functions as plain calls."""
    kept = set(REBALANCER_SELECTORS.values())
    for grant in grants:
        if grant.target != rebalancer.lower() or grant.function not in kept or grant.options:
            yield grant


def _named(grant: Grant) -> str:
    function = grant.function or "every function"
    return f"{function} of {grant.target} in the role {grant.role}"


def _failed(wrong: list[Finding]) -> Diagnosis:
    details, remedies = zip(*wrong, strict=True)
    return failed(
        "; ".join(details),
        NotAuthorised,
        remedy=" ".join(remedies),
    )


def _warning(described: str, doubts: list[Finding]) -> Diagnosis:
    details, remedies = zip(*doubts, strict=True)
    return warning("; ".join((described, *details)), remedy=" ".join(remedies))

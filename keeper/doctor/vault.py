"""Checks of the vault, and of what the keeper may do with it."""

from __future__ import annotations

from keeper.doctor.diagnosis import Diagnosis, DoctorContext, failed, ok
from keeper.domain.errors import NotAuthorised, Refused
from keeper.domain.units import WAD
from keeper.sizing.tighten import tighten


def vault(context: DoctorContext) -> Diagnosis:
    vault = context.snapshot.vault
    if vault.paused:
        return failed(
            "the vault is paused on chain", Refused, remedy="The vault's admin ends the pause with unpause()."
        )
    return ok(f"epoch {vault.epoch}, not paused")


def role(context: DoctorContext) -> Diagnosis:
    account = context.snapshot.keeper_address
    if not context.snapshot.keeper_has_role:
        return failed(
            f"{account} does not have KEEPER_ROLE",
            NotAuthorised,
            remedy=f"Ask the vault's admin to call grantRole(KEEPER_ROLE, {account}), or use the right key.",
        )
    return ok(f"{account} has KEEPER_ROLE")


def gas(context: DoctorContext) -> Diagnosis:
    have, reserve = context.snapshot.keeper_balance_wei, context.policy.decision.gas_reserve_wei
    detail = f"{have / WAD:.4f} ETH; {reserve / WAD:.4f} ETH are reserved for a deleveraging"
    if have < reserve:
        return failed(detail, Refused, remedy=f"Send ETH to {context.snapshot.keeper_address}.")
    return ok(detail)


def allowances(context: DoctorContext) -> Diagnosis:
    left = context.node.allowances(context.snapshot)
    if left:
        return failed(
            f"the vault left {', '.join(f'{amount} of {symbol}' for symbol, amount in left.items())} approved",
            Refused,
            remedy="This must never happen. Pause the vault and find out which call left the approval.",
        )
    return ok("no approval is left")


def policy(context: DoctorContext) -> Diagnosis:
    _, tightened = tighten(context.policy, context.snapshot.vault)
    if tightened:
        listed = "; ".join(
            f"{change.field} is {change.ours:g}, the vault's is {change.vaults:g}" for change in tightened
        )
        return failed(
            listed,
            Refused,
            remedy="The keeper does not raise leverage until the settings are as tight as the vault's policy. "
            "Tighten them.",
        )
    return ok("no setting is looser than the vault's own policy")

"""Checks of the vault, and of what the keeper may do with it."""

from __future__ import annotations

from keeper.doctor.diagnosis import Diagnosis, DoctorContext, LineStatus
from keeper.domain.errors import NotAuthorised, Refused
from keeper.domain.units import WAD
from keeper.sizing.tighten import tighten


def vault(context: DoctorContext) -> Diagnosis:
    vault = context.snapshot.vault
    if vault.paused:
        return Diagnosis(
            "vault",
            LineStatus.FAILED,
            "the vault is paused on chain",
            remedy="The vault's admin ends the pause with unpause().",
            exit_code=Refused.exit_code,
        )
    return Diagnosis("vault", LineStatus.OK, f"epoch {vault.epoch}, not paused")


def role(context: DoctorContext) -> Diagnosis:
    account = context.snapshot.keeper_address
    if not context.snapshot.keeper_has_role:
        return Diagnosis(
            "keeper role",
            LineStatus.FAILED,
            f"{account} does not have KEEPER_ROLE",
            remedy=f"Ask the vault's admin to call grantRole(KEEPER_ROLE, {account}), or use the right key.",
            exit_code=NotAuthorised.exit_code,
        )
    return Diagnosis("keeper role", LineStatus.OK, f"{account} has KEEPER_ROLE")


def gas(context: DoctorContext) -> Diagnosis:
    have, reserve = context.snapshot.keeper_balance_wei, context.policy.decision.gas_reserve_wei
    detail = f"{have / WAD:.4f} ETH; {reserve / WAD:.4f} ETH are reserved for a deleveraging"
    if have < reserve:
        return Diagnosis(
            "gas",
            LineStatus.FAILED,
            detail,
            remedy=f"Send ETH to {context.snapshot.keeper_address}.",
            exit_code=Refused.exit_code,
        )
    return Diagnosis("gas", LineStatus.OK, detail)


def allowances(context: DoctorContext) -> Diagnosis:
    left = context.node.allowances(context.snapshot)
    if left:
        return Diagnosis(
            "allowances",
            LineStatus.FAILED,
            f"the vault left {', '.join(f'{amount} of {symbol}' for symbol, amount in left.items())} approved",
            remedy="This must never happen. Pause the vault and find out which call left the approval.",
            exit_code=Refused.exit_code,
        )
    return Diagnosis("allowances", LineStatus.OK, "no approval is left")


def policy(context: DoctorContext) -> Diagnosis:
    _, tightened = tighten(context.policy, context.snapshot.vault)
    if tightened:
        listed = "; ".join(
            f"{change.field} is {change.ours:g}, the vault's is {change.vaults:g}" for change in tightened
        )
        return Diagnosis(
            "policy",
            LineStatus.FAILED,
            listed,
            remedy="The keeper does not raise leverage until the settings are as tight as the vault's policy. "
            "Tighten them.",
            exit_code=Refused.exit_code,
        )
    return Diagnosis("policy", LineStatus.OK, "no setting is looser than the vault's own policy")

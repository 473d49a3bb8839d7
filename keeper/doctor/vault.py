"""The vault, and what the keeper may do with it."""

from __future__ import annotations

from keeper.doctor.diagnosis import Diagnosis, Mark, Patient
from keeper.domain.errors import NotAuthorised, Refused
from keeper.domain.units import WAD
from keeper.sizing.tighten import tighten


def vault(patient: Patient) -> Diagnosis:
    vault = patient.snapshot.vault
    if vault.paused:
        return Diagnosis(
            "vault", Mark.WRONG, "paused on chain", "Its admin lifts that (unpause).", Refused.exit_code
        )
    return Diagnosis("vault", Mark.GOOD, f"epoch {vault.epoch}, not paused")


def role(patient: Patient) -> Diagnosis:
    account = patient.snapshot.keeper_address
    if not patient.snapshot.keeper_has_role:
        return Diagnosis(
            "keeper role",
            Mark.WRONG,
            f"{account} lacks it",
            "Have the vault's admin call grantRole(KEEPER_ROLE, …), or use the right key.",
            NotAuthorised.exit_code,
        )
    return Diagnosis("keeper role", Mark.GOOD, f"{account} has it")


def gas(patient: Patient) -> Diagnosis:
    have, reserve = patient.snapshot.keeper_balance_wei, patient.policy.decision.gas_reserve_wei
    detail = f"{have / WAD:.4f} ETH, {reserve / WAD:.4f} are kept for a deleveraging"
    if have < reserve:
        return Diagnosis(
            "gas", Mark.WRONG, detail, f"Send ETH to {patient.snapshot.keeper_address}.", Refused.exit_code
        )
    return Diagnosis("gas", Mark.GOOD, detail)


def allowances(patient: Patient) -> Diagnosis:
    left = patient.node.allowances(patient.snapshot)
    if left:
        return Diagnosis(
            "allowances",
            Mark.WRONG,
            f"the vault left {', '.join(f'{amount} of {symbol}' for symbol, amount in left.items())} approved",
            "This must not happen: pause the vault and find out which call did it.",
            Refused.exit_code,
        )
    return Diagnosis("allowances", Mark.GOOD, "none left")


def policy(patient: Patient) -> Diagnosis:
    _, tightened = tighten(patient.policy, patient.snapshot.vault)
    if tightened:
        listed = "; ".join(f"{one.field} is {one.ours:g}, the vault's is {one.vaults:g}" for one in tightened)
        return Diagnosis(
            "policy",
            Mark.WRONG,
            listed,
            "Nothing levers until the settings agree: tighten them.",
            Refused.exit_code,
        )
    return Diagnosis("policy", Mark.GOOD, "no setting is looser than the vault's own policy")

"""Checks of the vault, and of what the keeper may do with it."""

from __future__ import annotations

from keeper.doctor.diagnosis import Diagnosis, DoctorContext, failed, ok, warning
from keeper.domain.errors import NotAuthorised, Refused, Untrusted
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, WAD
from keeper.lending.vault_gap import vault_gap
from keeper.oracle.vault_refusals import keeper_words, refusals
from keeper.sizing.tighten import tighten


def rules(context: DoctorContext) -> Diagnosis:
    """What the vault's own contracts would refuse of this keeper now. It fails only where a person must act."""
    snapshot = context.snapshot
    refused = tuple(refusals(snapshot))
    if not refused:
        return ok(f"{keeper_words(snapshot)}, epoch {snapshot.vault.epoch}; no rule refuses its calls")
    detail = "; ".join(f"{refusal.name}: {refusal.detail}" for refusal in refused)
    remedy = " ".join(dict.fromkeys(refusal.remedy for refusal in refused))
    if all(refusal.passes for refusal in refused):
        return warning(detail, remedy)
    return failed(detail, Refused if snapshot.keeper_has_role else NotAuthorised, remedy)


def assets(context: DoctorContext) -> Diagnosis:
    """Whether everything that the vault holds is named, and counted as the vault counts it."""
    snapshot, policy, unread = context.snapshot, context.policy, context.node.deployment().unread
    widest, decision = vault_gap(snapshot), policy.decision
    if widest is not None and widest.gap * BPS > decision.max_vault_gap_bps:
        return failed(
            f"{widest}; the gap may be {decision.max_vault_gap_bps} bps",
            Untrusted,
            remedy="`keeper vault show` lists what the vault holds. The keeper does not raise leverage until it counts "
            "the same.",
        )
    share = portfolio(snapshot).share_of(policy.unnamed)
    if policy.unnamed:
        detail = f"the vault holds {', '.join(policy.unnamed)}, {share:.2%} of NAV, which no [[assets]] table names"
        remedy = "Add an [[assets]] table for each. Until then they count with a target of 0"
        if share <= decision.max_unnamed:
            return warning(detail, f"{remedy}, and the next trade sells them.")
        return failed(detail, Refused, f"{remedy}, and only an emergency trades.")
    rest = f"; listed by the vault, not held and not named: {', '.join(unread)}" if unread else ""
    return ok(f"every asset that the vault holds is named, and the keeper counts what the vault counts{rest}")


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
        return failed(
            "; ".join(str(setting) for setting in tightened),
            Refused,
            remedy="The keeper does not raise leverage until the settings are as tight as the vault's policy. "
            "Tighten them.",
        )
    return ok("no setting is looser than the vault's own policy")

"""The vault's own limits win wherever they are tighter than the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.market import Vault
from keeper.domain.policy import AssetPolicy, DecisionPolicy, Policy, SizePolicy, UrgencyLimits
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Tightened:
    """A setting looser than the vault allows: its name, its value, and the vault's, now used instead."""

    field: str
    ours: float
    vaults: float


def tighten(policy: Policy, vault: Vault) -> tuple[Policy, tuple[Tightened, ...]]:
    """The policy with every limit at least as tight as the vault's, and what had to be tightened for it."""
    found: list[Tightened] = []
    tightened = replace(
        policy,
        assets=tuple(_asset(asset, vault, found) for asset in policy.assets),
        size=_size(policy.size, vault, found),
        decision=_decision(policy.decision, vault, found),
    )
    return tightened, tuple(found)


def _asset(asset: AssetPolicy, vault: Vault, found: list[Tightened]) -> AssetPolicy:
    caps = [entry.max_weight_bps / BPS for entry in vault.assets if entry.symbol == asset.symbol]
    cap = caps[0] if caps else 0.0
    return replace(
        asset, max_weight=_at_most(f"assets.{asset.symbol}.max_weight", asset.max_weight, cap, found)
    )


def _size(size: SizePolicy, vault: Vault, found: list[Tightened]) -> SizePolicy:
    return replace(
        size,
        max_leverage=_at_most("size.max_leverage", size.max_leverage, vault.policy.max_leverage / WAD, found),
        min_health_factor=_at_least(
            "size.min_health_factor", size.min_health_factor, vault.policy.min_health_factor / WAD, found
        ),
    )


def _decision(decision: DecisionPolicy, vault: Vault, found: list[Tightened]) -> DecisionPolicy:
    floor, anybody = vault.policy.min_health_factor / WAD, vault.policy.ripcord_health_factor / WAD
    return replace(
        decision,
        # Deleveraging must begin before anybody may do it for us, and end where a rebalance may begin.
        act_health_factor=_at_least("decision.act_health_factor", decision.act_health_factor, anybody, found),
        safe_health_factor=_at_least(
            "decision.safe_health_factor", decision.safe_health_factor, max(floor, anybody), found
        ),
        max_oracle_gap_bps=round(
            _at_most(
                "decision.max_oracle_gap_bps",
                decision.max_oracle_gap_bps,
                vault.policy.max_oracle_gap_bps,
                found,
            )
        ),
        limits=tuple(_limits(row, vault, found) for row in decision.limits),
    )


def _limits(row: UrgencyLimits, vault: Vault, found: list[Tightened]) -> UrgencyLimits:
    where = f"decision.urgency.{row.urgency.value.lower()}"
    emergency = row.urgency is Urgency.EMERGENCY
    loss = vault.policy.max_emergency_loss_bps if emergency else vault.policy.max_loss_bps
    slippage = round(_at_most(f"{where}.max_slippage_bps", row.max_slippage_bps, loss, found))
    if emergency:
        return replace(row, max_slippage_bps=slippage)
    cooldown = round(_at_least(f"{where}.cooldown_s", row.cooldown_s, vault.policy.min_interval, found))
    return replace(row, max_slippage_bps=slippage, cooldown_s=cooldown)


def _at_most(field: str, ours: float, vaults: float, found: list[Tightened]) -> float:
    if ours <= vaults:
        return ours
    found.append(Tightened(field, ours, vaults))
    return vaults


def _at_least(field: str, ours: float, vaults: float, found: list[Tightened]) -> float:
    if ours >= vaults:
        return ours
    found.append(Tightened(field, ours, vaults))
    return vaults

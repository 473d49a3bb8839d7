"""The vault's own limits apply wherever they are tighter than the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.market import Vault
from keeper.domain.policy import AssetPolicy, DecisionPolicy, Policy, SizePolicy, UrgencyLimits
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Tightened:
    """A setting looser than the vault allows: its name, its value, and the vault's value that replaces it."""

    field: str
    ours: float
    vaults: float


def tighten(policy: Policy, vault: Vault) -> tuple[Policy, tuple[Tightened, ...]]:
    """The policy with every limit at least as tight as the vault's, and the settings that were looser."""
    looser: list[Tightened] = []
    tightened = replace(
        policy,
        assets=tuple(_asset(asset, vault, looser) for asset in policy.assets),
        size=_size(policy.size, vault, looser),
        decision=_decision(policy.decision, vault, looser),
    )
    return tightened, tuple(looser)


def _asset(asset: AssetPolicy, vault: Vault, looser: list[Tightened]) -> AssetPolicy:
    caps = [entry.max_weight_bps / BPS for entry in vault.assets if entry.symbol == asset.symbol]
    cap = caps[0] if caps else 0.0
    return replace(
        asset, max_weight=_capped(f"assets.{asset.symbol}.max_weight", asset.max_weight, cap, looser)
    )


def _size(size: SizePolicy, vault: Vault, looser: list[Tightened]) -> SizePolicy:
    return replace(
        size,
        max_leverage=_capped("size.max_leverage", size.max_leverage, vault.policy.max_leverage / WAD, looser),
        min_health_factor=_floored(
            "size.min_health_factor", size.min_health_factor, vault.policy.min_health_factor / WAD, looser
        ),
    )


def _decision(decision: DecisionPolicy, vault: Vault, looser: list[Tightened]) -> DecisionPolicy:
    floor, anybody = vault.policy.min_health_factor / WAD, vault.policy.ripcord_health_factor / WAD
    return replace(
        decision,
        # The keeper must deleverage before anybody may do it, up to where a rebalance may begin.
        act_health_factor=_floored("decision.act_health_factor", decision.act_health_factor, anybody, looser),
        safe_health_factor=_floored(
            "decision.safe_health_factor", decision.safe_health_factor, max(floor, anybody), looser
        ),
        max_oracle_gap_bps=round(
            _capped(
                "decision.max_oracle_gap_bps",
                decision.max_oracle_gap_bps,
                vault.policy.max_oracle_gap_bps,
                looser,
            )
        ),
        limits=tuple(_limits(row, vault, looser) for row in decision.limits),
    )


def _limits(row: UrgencyLimits, vault: Vault, looser: list[Tightened]) -> UrgencyLimits:
    where = f"decision.urgency.{row.urgency.value.lower()}"
    emergency = row.urgency is Urgency.EMERGENCY
    loss = vault.policy.max_emergency_loss_bps if emergency else vault.policy.max_loss_bps
    slippage = round(_capped(f"{where}.max_slippage_bps", row.max_slippage_bps, loss, looser))
    if emergency:
        return replace(row, max_slippage_bps=slippage)
    cooldown = round(_floored(f"{where}.cooldown_s", row.cooldown_s, vault.policy.min_interval, looser))
    return replace(row, max_slippage_bps=slippage, cooldown_s=cooldown)


def _capped(field: str, ours: float, vaults: float, looser: list[Tightened]) -> float:
    if ours <= vaults:
        return ours
    looser.append(Tightened(field, ours, vaults))
    return vaults


def _floored(field: str, ours: float, vaults: float, looser: list[Tightened]) -> float:
    if ours >= vaults:
        return ours
    looser.append(Tightened(field, ours, vaults))
    return vaults

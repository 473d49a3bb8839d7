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

    def __str__(self) -> str:
        return f"{self.field} is {self.ours:g}, the vault's is {self.vaults:g}"


def tighten(policy: Policy, vault: Vault) -> tuple[Policy, tuple[Tightened, ...]]:
    """The policy with every limit at least as tight as the vault's, and the settings that were looser."""
    tightening = _Tightening(vault)
    tightened = replace(
        policy,
        assets=tuple(tightening.asset(asset) for asset in policy.assets),
        size=tightening.size(policy.size),
        decision=tightening.decision(policy.decision),
    )
    return tightened, tuple(tightening.looser)


class _Tightening:
    """Tightens the parts of a policy and collects the settings that were looser."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.looser: list[Tightened] = []

    def asset(self, asset: AssetPolicy) -> AssetPolicy:
        cap = self._vault.asset(asset.symbol).max_weight_bps / BPS
        return replace(
            asset, max_weight=self._at_most(f"assets.{asset.symbol}.max_weight", asset.max_weight, cap)
        )

    def size(self, size: SizePolicy) -> SizePolicy:
        vault = self._vault.policy
        return replace(
            size,
            max_leverage=self._at_most("size.max_leverage", size.max_leverage, vault.max_leverage / WAD),
            min_health_factor=self._at_minimum(
                "size.min_health_factor", size.min_health_factor, vault.min_health / WAD
            ),
        )

    def decision(self, decision: DecisionPolicy) -> DecisionPolicy:
        vault = self._vault.policy
        # The keeper must deleverage before anybody may do it, up to where a rebalance may begin.
        act = vault.ripcord_health / WAD
        safe = vault.min_health / WAD
        return replace(
            decision,
            act_health_factor=self._at_minimum("decision.act_health_factor", decision.act_health_factor, act),
            safe_health_factor=self._at_minimum(
                "decision.safe_health_factor", decision.safe_health_factor, safe
            ),
            max_oracle_gap_bps=round(
                self._at_most("decision.max_oracle_gap_bps", decision.max_oracle_gap_bps, vault.max_gap_bps)
            ),
            limits=tuple(self._limits(row) for row in decision.limits),
        )

    def _limits(self, row: UrgencyLimits) -> UrgencyLimits:
        name, vault = f"decision.urgency.{row.urgency.value.lower()}", self._vault.policy
        largest = max((asset.slippage_bps for asset in self._vault.assets), default=0)
        slippage = round(self._at_most(f"{name}.max_slippage_bps", row.max_slippage_bps, largest))
        if row.urgency is Urgency.EMERGENCY:
            return replace(row, max_slippage_bps=slippage)
        cooldown = round(self._at_minimum(f"{name}.cooldown_s", row.cooldown_s, vault.min_interval))
        return replace(row, max_slippage_bps=slippage, cooldown_s=cooldown)

    def _at_most(self, field: str, ours: float, vaults: float) -> float:
        return ours if ours <= vaults else self._replaced(field, ours, vaults)

    def _at_minimum(self, field: str, ours: float, vaults: float) -> float:
        return ours if ours >= vaults else self._replaced(field, ours, vaults)

    def _replaced(self, field: str, ours: float, vaults: float) -> float:
        self.looser.append(Tightened(field, ours, vaults))
        return vaults

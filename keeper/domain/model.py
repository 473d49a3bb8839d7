"""Results of ``estimate`` and ``size``: the risk of the assets and the target portfolio."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AssetRisk:
    """How one asset's volatility was estimated. Volatilities are annualised fractions.

    ``historical`` is the policy's estimate from prices alone. ``implied`` is None where no implied volatility was
    usable. ``implied_weight`` is the weight ω that was used, after the fail-safes. ``provenance`` is a short sentence
    for people.
    """

    symbol: str
    bars: int
    historical: float
    implied: float | None
    blended: float
    implied_weight: float
    provenance: str

    @classmethod
    def without_bars(cls, symbol: str, volatility: float, provenance: str) -> AssetRisk:
        """A volatility that this look's prices did not give."""
        return cls(
            symbol=symbol,
            bars=0,
            historical=volatility,
            implied=None,
            blended=volatility,
            implied_weight=0.0,
            provenance=provenance,
        )


@dataclass(frozen=True, slots=True)
class RiskModel:
    """Annualised covariance forecast made at ``as_of``; ``covariance`` is row-major (n, n).

    ``worst_losses`` are losses per asset over the policy's time to act, each at one time in the history, as fractions:
    those of which any portfolio's largest loss is one (keeper.risk.worst_losses).
    """

    as_of: int
    symbols: tuple[str, ...]
    covariance: tuple[tuple[float, ...], ...]
    assets: tuple[AssetRisk, ...]
    worst_losses: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit on leverage. ``leverage`` is inf where it does not bind; ``detail`` shows the calculation."""

    name: str
    leverage: float
    detail: str


@dataclass(frozen=True, slots=True)
class TargetPortfolio:
    """Where the vault should be. ``weights`` are leverage × ``unit_weights``, in the model's order.

    ``binding`` names the bound that set the leverage ("target_volatility" when no limit did). ``binding_caps`` names
    the caps that changed the unit weights ("max_share:LINK", "group:defi"). ``missing`` names what the last fully
    informed look knew and this one does not ("newest_bar:WETH"); it is empty when nothing is missing.
    """

    symbols: tuple[str, ...]
    budgets: tuple[float, ...]
    unit_weights: tuple[float, ...]
    weights: tuple[float, ...]
    risk_shares: tuple[float, ...]
    unit_volatility: float
    volatility: float
    leverage: float
    health_factor: float
    binding: str
    bounds: tuple[Bound, ...]
    binding_caps: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def unqueued_leverage(self) -> float:
        """Leverage of the NAV that is left after the line of redemptions, to which the bounds apply."""
        return min(bound.leverage for bound in self.bounds)

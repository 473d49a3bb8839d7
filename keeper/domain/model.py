"""What ``estimate`` and ``size`` conclude: the risk of the assets, and where the vault should be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AssetRisk:
    """Where one asset's volatility came from. Volatilities are annualised fractions; ``implied`` is None
    without one.

    ``implied_weight`` is the ω that was really used after fail-safes; ``provenance`` is a short sentence for
    people.
    """

    symbol: str
    bars: int
    ewma: float
    implied: float | None
    blended: float
    implied_weight: float
    provenance: str


@dataclass(frozen=True, slots=True)
class RiskModel:
    """Annualised covariance forecast made at ``as_of``; ``covariance`` is row-major (n, n)."""

    as_of: int
    symbols: tuple[str, ...]
    covariance: tuple[tuple[float, ...], ...]
    assets: tuple[AssetRisk, ...]
    worst_loss: float
    """Worst loss of any equal-weight hold over the policy's time to act in the history, as a positive
    fraction."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit on leverage. ``leverage`` is inf where it does not bind at all; ``detail`` says how it came
    out."""

    name: str
    leverage: float
    detail: str


@dataclass(frozen=True, slots=True)
class TargetPortfolio:
    """Where the vault should be: ``weights`` = leverage × unit weights, in the model's order.

    ``binding`` names the bound that set the leverage ("target_volatility" when none of the limits did),
    ``binding_caps`` the caps that changed the unit weights ("max_share:LINK", "group:defi").
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
    binding_caps: tuple[str, ...] = ()

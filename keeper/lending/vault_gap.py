"""The keeper's count of the vault against the vault's own."""

from __future__ import annotations

from keeper.domain.market import MarketSnapshot
from keeper.domain.portfolio import portfolio
from keeper.domain.vault_figures import FigureGap, VaultFigures, widest_gap
from keeper.lending.venues import lowest_health_factor


def vault_gap(snapshot: MarketSnapshot) -> FigureGap | None:
    """The figure that is furthest off; None where no contract was asked. The keeper's health factor is that of its own
    book, because its plans are made with it."""
    if snapshot.vault_figures is None:
        return None
    held = portfolio(snapshot)
    ours = VaultFigures(held.nav_usd, held.leverage, lowest_health_factor(snapshot))
    return widest_gap(ours, snapshot.vault_figures)

"""Which collateral and which debt stand in which of the vault's accounts."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlacedAccount:
    """USD. ``collateral_usd`` is in the order of the placement's symbols."""

    place: int
    collateral_usd: tuple[float, ...]
    debt_usd: float


@dataclass(frozen=True, slots=True)
class Placement:
    """``carry_usd`` is a year's interest less what collateral yields, at the rates after our own action.

    ``moved_usd`` is the collateral and the debt that change account beyond what is bought or borrowed anyway.
    ``binding`` names the constraint without which the carry would be cheapest to lower, empty where none is.
    ``over_share`` says by how much ``size.max_venue_share`` cannot be kept, and why; empty where it is."""

    symbols: tuple[str, ...]
    accounts: tuple[PlacedAccount, ...]
    carry_usd: float
    moved_usd: float
    binding: str
    over_share: str = ""

    def collateral_shares(self, symbol: str) -> dict[int, float]:
        """By place the account's part of all collateral of this asset. Empty where there is none."""
        index = self.symbols.index(symbol)
        return _shares({account.place: account.collateral_usd[index] for account in self.accounts})

    def debt_shares(self) -> dict[int, float]:
        """By place the account's part of all debt. Empty without debt."""
        return _shares({account.place: account.debt_usd for account in self.accounts})


@dataclass(frozen=True, slots=True)
class Placing:
    """``placement`` is the cheaper of two: what stays where it is, as far as the floors allow, and the cheapest.

    ``saved_usd`` is what the cheapest saves over ``decision.carry_horizon_s``, ``cost_usd`` what the change costs.
    ``unfit_usd`` must change account in any case: it stands where the floors, a cap or ``size.max_venue_share`` do
    not let it stand. ``must_move``: it is more than the smallest trade."""

    placement: Placement
    moves: bool
    saved_usd: float
    cost_usd: float
    unfit_usd: float
    must_move: bool


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No placement was found. ``why`` says whether there is none, or the solver failed."""

    why: str


def _shares(amounts: dict[int, float]) -> dict[int, float]:
    total = math.fsum(amounts.values())
    return {place: amount / total for place, amount in amounts.items()} if total > 0.0 else {}

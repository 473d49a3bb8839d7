"""What the headline rests on: the strategy again with one assumption changed at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from keeper.backtest.venue import SimulatedVenue
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.sizing.bounds import borrow_rate

MORE_INTEREST = 0.07
MORE_FEES = 2.0
SHALLOWER = 3.0
MORE_GAS = 3
SIZES = 10.0
FEWER_ASSETS = ("WBTC", "WETH")
"""Whoever chose in 2019 did not know which of the smaller assets would rise."""


@dataclass(frozen=True, slots=True)
class ChangedAssumption:
    """``name`` says what is different."""

    name: str
    path: MarketPath
    policy: Policy
    venue: SimulatedVenue


def changed_assumptions(
    path: MarketPath, policy: Policy, venue: SimulatedVenue
) -> Iterator[ChangedAssumption]:
    """Rates, universe, fees, depth, gas and size, in this order. The universe is left out where it changes nothing."""
    shipped = ChangedAssumption("", path=path, policy=policy, venue=venue)
    yield replace(
        shipped,
        name=f"borrowing costs {100 * MORE_INTEREST:.0f} points more",
        path=replace(path, borrow_rate=_rates(path, venue) + MORE_INTEREST),
    )
    if {asset.symbol for asset in policy.assets} > set(FEWER_ASSETS):
        yield replace(shipped, name=f"{' and '.join(FEWER_ASSETS)} alone", policy=policy.of(FEWER_ASSETS))
    yield replace(shipped, name="pool fees doubled", venue=replace(venue, fee_multiple=MORE_FEES))
    shallow = tuple(replace(pool, virtual_usd=pool.virtual_usd / SHALLOWER) for pool in venue.pools)
    yield replace(shipped, name="pools a third as deep", venue=replace(venue, pools=shallow))
    expensive = replace(path, gas_price_wei=MORE_GAS * path.gas_price_wei)
    yield replace(shipped, name="gas three times as expensive", path=expensive)
    for nav in (venue.initial_nav_usd / SIZES, venue.initial_nav_usd * SIZES):
        yield replace(shipped, name=f"{nav:,.0f} USD", venue=replace(venue, initial_nav_usd=nav))


def _rates(path: MarketPath, venue: SimulatedVenue) -> np.ndarray:
    """The recorded rates, and the curve's without our own debt where none is recorded."""
    terms = venue.terms(path.stable_symbol)
    curve = borrow_rate(terms.curve, terms.borrowed / terms.supplied)
    return np.where(np.isnan(path.borrow_rate), curve, path.borrow_rate)

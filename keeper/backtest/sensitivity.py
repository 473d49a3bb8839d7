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
    yield ChangedAssumption(
        f"borrowing costs {100 * MORE_INTEREST:.0f} points more",
        replace(path, borrow_rate=_rates(path, venue) + MORE_INTEREST),
        policy,
        venue,
    )
    held = {asset.symbol for asset in policy.assets}
    if held > set(FEWER_ASSETS):
        yield ChangedAssumption(f"{' and '.join(FEWER_ASSETS)} alone", path, policy.of(FEWER_ASSETS), venue)
    yield ChangedAssumption("pool fees doubled", path, policy, replace(venue, fee_multiple=MORE_FEES))
    yield ChangedAssumption(
        "pools a third as deep",
        path,
        policy,
        replace(
            venue, pools=tuple(replace(pool, virtual_usd=pool.virtual_usd / 3.0) for pool in venue.pools)
        ),
    )
    yield ChangedAssumption(
        "gas three times as expensive", replace(path, gas_price_wei=3 * path.gas_price_wei), policy, venue
    )
    for nav in (venue.initial_nav_usd / SIZES, venue.initial_nav_usd * SIZES):
        yield ChangedAssumption(f"{nav:,.0f} USD", path, policy, replace(venue, initial_nav_usd=nav))


def _rates(path: MarketPath, venue: SimulatedVenue) -> np.ndarray:
    """The recorded rates, and the curve's without our own debt where none is recorded."""
    terms = venue.terms(path.stable_symbol)
    curve = borrow_rate(terms.curve, terms.borrowed / terms.supplied)
    return np.where(np.isnan(path.borrow_rate), curve, path.borrow_rate)

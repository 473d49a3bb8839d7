"""Pools that answer as constant product does, exactly and in the order in which they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from keeper.domain.decision import Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, QuoteRequest, Route
from keeper.domain.policy import Policy
from keeper.domain.urgency import Urgency
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.split import Hop, hops
from tests.factories import (
    RISK_SYMBOLS,
    a_policy,
    a_snapshot,
    a_vault,
    a_vault_asset,
    a_vault_policy,
    with_limits,
)

GAS_OF_A_HOP = 90_000


@dataclass(frozen=True, slots=True)
class Pool:
    """``depth`` is the reserve on the side of what is sold, raw; ``price`` raw bought for raw sold, at the start."""

    depth: int
    price: Fraction
    fee: int

    def out(self, amount: int) -> int:
        kept = Fraction(amount * (1_000_000 - self.fee), 1_000_000)
        return int(kept * self.price * self.depth / (self.depth + kept))


@dataclass
class Pools:
    """``passed`` is what has gone through each hop so far."""

    pools: Mapping[Hop, Pool]
    passed: dict[Hop, int] = field(default_factory=dict)

    def quote(self, request: QuoteRequest) -> Quote:
        """As if nothing had been traded."""
        amount: int | None = request.amount_in
        for hop in hops(request.route):
            amount = self.pools[hop].out(amount) if hop in self.pools and amount else None
        gas = GAS_OF_A_HOP * len(request.route.fees)
        return Quote(request.route, request.amount_in, amount or None, gas)

    def swap(self, route: Route, amount: int) -> int:
        """What comes out after everything that was swapped before."""
        for hop in hops(route):
            before = self.passed.get(hop, 0)
            self.passed[hop] = before + amount
            amount = self.pools[hop].out(before + amount) - self.pools[hop].out(before)
        return amount


def pools_at_oracle_prices(
    snapshot: MarketSnapshot, depths_usd: Mapping[tuple[str, str, int], float]
) -> Pools:
    """Both directions of each pool; ``depths_usd`` is the value of the reserve on each side."""
    found: dict[Hop, Pool] = {}
    for (one, other, fee), depth_usd in depths_usd.items():
        for sold, bought in ((one, other), (other, one)):
            units = {name: 10 ** snapshot.token(name).decimals for name in (sold, bought)}
            price = Fraction(snapshot.price(sold) * units[bought], snapshot.price(bought) * units[sold])
            depth = int(Fraction(depth_usd) * 10**8 * units[sold] / snapshot.price(sold))
            found[sold, bought, fee] = Pool(depth, price, fee)
    return Pools(found)


def with_depth(pools: Pools, hop: Hop, factor: float) -> Pools:
    """One hop that many times as deep."""
    pool = pools.pools[hop]
    return Pools({**pools.pools, hop: replace(pool, depth=int(pool.depth * factor))})


DEPTHS = {
    ("WETH", "USDC", 500): 850e6,
    ("WETH", "USDC", 3_000): 86e6,
    ("WBTC", "USDC", 500): 30e6,
    ("WBTC", "USDC", 3_000): 100e6,
    ("WBTC", "WETH", 500): 180e6,
    ("WBTC", "WETH", 3_000): 450e6,
    ("LINK", "USDC", 3_000): 1.5e6,
    ("LINK", "WETH", 3_000): 45e6,
    ("UNI", "USDC", 3_000): 4e6,
    ("UNI", "WETH", 3_000): 40e6,
}
"""As keeper.recorded.pools has them."""
WIDE = with_limits(a_policy(), Urgency.OUT_OF_BAND, max_slippage_bps=500)


def generous(**changes: Any) -> MarketSnapshot:
    """Of a vault that lets a call lose much: what is looked at here is how, not whether."""
    policy = a_vault_policy(max_loss_bps=5_000, daily_loss_bps=5_000)
    assets = tuple(a_vault_asset(symbol, slippage_bps=9_000) for symbol in ("USDC", *RISK_SYMBOLS))
    return a_snapshot(vault=a_vault(policy=policy, assets=assets), **changes)


def market(snapshot: MarketSnapshot, factor: float = 1.0) -> Pools:
    return pools_at_oracle_prices(snapshot, {pool: depth * factor for pool, depth in DEPTHS.items()})


def answers(decision: Decision, snapshot: MarketSnapshot, policy: Policy, pools: Pools) -> tuple[Quote, ...]:
    return tuple(
        pools.quote(request)
        for request in quote_requests(netting(decision, snapshot, policy).trades, snapshot)
    )

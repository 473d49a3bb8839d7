"""The same trades through a hub: every token is traded with the debt token or with WETH in single hops, and what is
left of WETH in one swap, so that no two swaps of a plan go through one pool in the same direction.

Which of the two a token is traded with depends on what WETH is worth within the plan: less where it is left over, more
where it is missing, by the fee of the pool between the two (the dual price of WETH's balance; Boyd and Vandenberghe,
Convex Optimization, section 5.6). A few such prices are tried, and a routing without WETH.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from keeper.domain.market import HUB, MarketSnapshot
from keeper.domain.plan import Route
from keeper.domain.units import usd
from keeper.planning.context import PlanningContext
from keeper.planning.fills import Fill, are_trusted, fill_of
from keeper.planning.netting import Trade
from keeper.planning.quotes import Need, between, has_hub, needs_of, single_hops
from keeper.planning.split import Answers, Curve, Part, best_split, curves

HUB_PRICES = (0.998, 0.9995, 1.0, 1.0005, 1.002)
"""Of WETH in the debt token, relative to the feeds: up to the fees of the two cheapest pools between them."""
MAX_PARTS = 2
"""Of one token: a plan through the hub is made to need few swaps."""
ABSORBED_DIVISOR = 400
"""A rest of WETH below this part of all that passes through the hub is not worth a swap of its own. Pool fees are of
that size, and nobody knows them to the last dollar beforehand."""
MAX_DONATED_USD = 1.0
VALUE_UNIT = 10**6
"""Curves into different tokens are compared in millionths of a dollar."""

_Routing = TypeVar("_Routing")


def hub_fills(
    trades: Sequence[Trade], answers: Answers, context: PlanningContext
) -> tuple[tuple[Fill, ...], ...]:
    """Different routings of the same trades, each in the order of its swaps. Empty where quotes are missing, where
    an output would be below the minimum that the oracle demands, and where a price is not trusted."""
    snapshot = context.snapshot
    if len(trades) < 2 or not has_hub(snapshot):
        return ()
    if not are_trusted({HUB, *(symbol for trade in trades for symbol in (trade.sell, trade.buy))}, snapshot):
        return ()
    needs = needs_of(trades, snapshot)
    router = _HubRouter(
        context,
        direct={need: tuple(_pools(need, answers, snapshot)) for need in needs if need.symbol != HUB},
        own=next((need for need in needs if need.symbol == HUB), None),
        between=tuple(
            curve
            for route, largest in between(needs, snapshot)
            for curve in curves({route: answers.get(route, {})}, largest)
        ),
    )
    prices = (None, *HUB_PRICES) if router.may_empty_hub() else (None,)
    routed = (router.routed(direct) for direct in _distinct(router.direct_fills(prices)) if all(direct))
    return _distinct(fills for fills in routed if fills)


@dataclass(frozen=True, slots=True)
class _Pool:
    """A pool in which a need can be traded: ``amount`` raw goes in if all does. ``valued`` is the ``raw`` curve in
    VALUE_UNIT at the feeds' prices."""

    route: Route
    amount: int
    raw: Curve
    valued: Curve


def _pools(need: Need, answers: Answers, snapshot: MarketSnapshot) -> Iterator[_Pool]:
    for route, amount in single_hops(need, snapshot):
        bought = route.symbols[-1]
        decimals, price = snapshot.token(bought).decimals, snapshot.price(bought)
        for curve in curves({route: answers.get(route, {})}, amount):
            sizes = tuple(round(size * need.value_usd * VALUE_UNIT / amount) for size in curve.sizes)
            outs = tuple(round(usd(out, decimals, price) * VALUE_UNIT) for out in curve.outs)
            yield _Pool(route, amount, raw=curve, valued=Curve(route, sizes, outs))


@dataclass(frozen=True, slots=True)
class _HubRouter:
    """``direct`` are the needs of other tokens, each with its pools. ``own`` is what the plan itself sells or buys of
    WETH. ``between`` are the curves between WETH and the debt token, both ways."""

    context: PlanningContext
    direct: Mapping[Need, tuple[_Pool, ...]]
    own: Need | None
    between: tuple[Curve, ...]

    def direct_fills(self, hub_prices: Sequence[float | None]) -> Iterator[tuple[tuple[Fill, ...], ...]]:
        """At each price the fills of each of the ``direct`` needs, in one pool or two, with WETH worth so much of what
        the feeds say. None: every token is traded with the debt token. A need that no pools carry has no fills."""
        return zip(
            *(self._at_prices(need, pools, hub_prices) for need, pools in self.direct.items()), strict=True
        )

    def routed(self, direct_fills: Iterable[Sequence[Fill]]) -> tuple[Fill, ...]:
        """Empty where an output is below its minimum, or no pool carries the rest of WETH."""
        direct = [fill for fills in direct_fills for fill in fills]
        balancing = self._balancing(direct)
        if balancing is None or any(fill.amount_out < fill.min_out for fill in (*direct, *balancing)):
            return ()
        return self._in_order(direct, balancing)

    def may_empty_hub(self) -> bool:
        """Whether a swap of all WETH that is idle sells nothing that should stay. Anybody can send the vault WETH."""
        idle = self.context.snapshot.holding(HUB).idle
        return self.context.snapshot.value_usd(HUB, idle - self._own_sale()) <= MAX_DONATED_USD

    def _own_sale(self) -> int:
        return self.own.amount if self.own and self.own.sold else 0

    # ---------------------------------------------------------------- one token

    def _at_prices(
        self, need: Need, pools: Sequence[_Pool], hub_prices: Sequence[float | None]
    ) -> Iterator[tuple[Fill, ...]]:
        """Where a price splits the need as the one before it did, the fills are the same."""
        before: tuple[Part, ...] = ()
        fills: tuple[Fill, ...] = ()
        for price in hub_prices:
            parts = self._split(need, pools, price)
            if parts != before:
                before, fills = parts, tuple(self._filled(need, parts))
            yield fills

    def _split(self, need: Need, pools: Sequence[_Pool], hub_price: float | None) -> tuple[Part, ...]:
        if hub_price is None:
            pools = [pool for pool in pools if HUB not in pool.route.symbols]
            hub_price = 1.0
        weight = hub_price if need.sold else 1.0 / hub_price
        return best_split(
            [pool.valued for pool in pools],
            round(need.value_usd * VALUE_UNIT),
            1.0 / VALUE_UNIT,
            costs=self.context.swap_terms.costs,
            max_parts=MAX_PARTS,
            weights=[weight if HUB in pool.route.symbols else 1.0 for pool in pools],
        )

    def _filled(self, need: Need, parts: Sequence[Part]) -> Iterator[Fill]:
        pools = {pool.route: pool for pool in self.direct[need]}
        whole = sum(part.amount_in for part in parts)
        left = need.amount
        for place, part in enumerate(parts, start=1):
            pool = pools[part.route]
            amount = pool.amount * part.amount_in // whole
            if need.sold:
                amount = left if place == len(parts) else amount
                left -= amount
            yield self._fill(part.route, amount, pool.raw.out(min(amount, pool.raw.sizes[-1])))

    # ------------------------------------------------------------------- the hub

    def _balancing(self, direct: Sequence[Fill]) -> list[Fill] | None:
        """Swaps between WETH and the debt token, so that of WETH only what the plan wants is left over or missing.
        Empty where the rest is too little for a swap. None where no pool carries it."""
        snapshot, cash = self.context.snapshot, self.context.cash
        comes = sum(fill.amount_out for fill in direct if fill.trade.buy == HUB)
        goes = sum(fill.trade.amount_in for fill in direct if fill.trade.sell == HUB)
        bought = snapshot.raw_worth(HUB, self.own.value_usd) if self.own and not self.own.sold else 0
        rest = comes + self._own_sale() - goes - bought
        if abs(rest) * ABSORBED_DIVISOR <= comes + goes:
            return []
        sell, buy = (HUB, cash) if rest > 0 else (cash, HUB)
        amount = rest if rest > 0 else snapshot.raw_worth(cash, snapshot.value_usd(HUB, -rest))
        parts = best_split(
            [c for c in self.between if c.route.symbols[0] == sell and c.sizes[-1] >= amount],
            amount,
            snapshot.value_usd(buy, 1),
            costs=self.context.swap_terms.costs,
            max_parts=MAX_PARTS,
        )
        return [self._fill(part.route, part.amount_in, part.amount_out) for part in parts] or None

    def _in_order(self, direct: Sequence[Fill], balancing: Sequence[Fill]) -> tuple[Fill, ...]:
        """Into the debt token, into WETH, out of WETH, out of the debt token. The last swap out of WETH sells the
        balance where the plan keeps none of what came in. It is the largest, so the rest is the smallest part of it."""
        cash = self.context.cash
        fills = sorted((*direct, *balancing), key=lambda fill: -fill.trade.value_usd)
        into_hub = [fill for fill in fills if fill.trade.buy == HUB]
        out_of_hub = [fill for fill in reversed(fills) if fill.trade.sell == HUB]
        others = [fill for fill in fills if HUB not in (fill.trade.buy, fill.trade.sell)]
        if len(into_hub) == len(out_of_hub) == 1 and not self.own:
            into_hub, out_of_hub = [self._joined(into_hub[0], out_of_hub[0])], []
        elif into_hub and out_of_hub and (not self.own or self.own.sold):
            out_of_hub[-1] = self._selling_balance(into_hub, out_of_hub)
        return (
            *(fill for fill in others if fill.trade.buy == cash),
            *into_hub,
            *out_of_hub,
            *(fill for fill in others if fill.trade.sell == cash),
        )

    def _joined(self, into_hub: Fill, out_of_hub: Fill) -> Fill:
        """In one swap of two hops."""
        route = Route(
            (into_hub.trade.sell, *out_of_hub.route.symbols),
            (*into_hub.route.fees, *out_of_hub.route.fees),
        )
        out = out_of_hub.amount_out * into_hub.amount_out // out_of_hub.trade.amount_in
        return self._fill(route, into_hub.trade.amount_in, out)

    def _selling_balance(self, into_hub: Sequence[Fill], out_of_hub: Sequence[Fill]) -> Fill:
        """The last swap out of WETH, selling the whole balance. Its minimum output is computed from the guaranteed
        balance, so it cannot revert when earlier swaps fill at their minimum. Unchanged if no balance is guaranteed."""
        last = out_of_hub[-1]
        own = self._own_sale() - sum(fill.trade.amount_in for fill in out_of_hub[:-1])
        amount = own + sum(fill.amount_out for fill in into_hub)
        guaranteed = own + sum(fill.min_out for fill in into_hub)
        if guaranteed <= 0:
            return last
        whole = self._fill(last.route, amount, last.amount_out * amount // last.trade.amount_in)
        minimum = self.context.swap_terms.minimum_price(last.route).out(guaranteed)
        return replace(whole, min_out=min(whole.min_out, minimum), sells_balance=True)

    # ------------------------------------------------------------------- amounts

    def _fill(self, route: Route, amount: int, out: int) -> Fill:
        sold, bought, snapshot = route.symbols[0], route.symbols[-1], self.context.snapshot
        trade = Trade(sold, bought, amount, value_usd=snapshot.value_usd(sold, amount))
        minimum = self.context.swap_terms.minimum_price(route)
        return fill_of(trade, route, out, minimum=minimum, snapshot=snapshot)


def _distinct(routings: Iterable[_Routing]) -> tuple[_Routing, ...]:
    """In their order. There are too few of them to be worth a hash of all their fills."""
    distinct: list[_Routing] = []
    for routing in routings:
        if routing not in distinct:
            distinct.append(routing)
    return tuple(distinct)

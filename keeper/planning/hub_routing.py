"""The same differences traded through a hub: every token settles with the debt asset or with WETH in single hops, and
what is left of WETH in one swap, so that no two swaps of a plan go through one pool the same way.

Which side a token settles on depends on what WETH is worth beside the debt asset, within a plan: less where it is left
over, more where it is missing, by the fee of the pool between the two (the dual price of WETH's balance; Boyd and
Vandenberghe, Convex Optimization, section 5.6). A few such prices are tried, and none of WETH at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from keeper.domain.market import HUB, MarketSnapshot
from keeper.domain.plan import Quote, Route
from keeper.domain.units import raw_from_usd_floor, usd
from keeper.planning.fills import Fill, fill_of, min_out
from keeper.planning.gas import swap_usd
from keeper.planning.hub import Need, between, has_hub, needs_of, single_hops
from keeper.planning.netting import Trade
from keeper.planning.split import Curve, best_split, curves

HUB_PRICES = (0.998, 0.9995, 1.0, 1.0005, 1.002)
"""Of WETH in the debt asset, beside the feeds': up to the fees of the two cheapest pools between them."""
MOST_PARTS = 2
"""Of one token: a plan through the hub is made to need few swaps."""
ABSORBED = Fraction(1, 400)
"""Part of all that passes through the hub which is not worth a swap of its own: pools' fees are of that size, and
nobody knows them to the last dollar beforehand."""
STAYS_USD = 1.0
UNIT = 10**6
"""Of value, in which curves into different tokens are compared: a millionth of a dollar."""


def through_the_hub(
    wanted: Sequence[Trade],
    quotes: Sequence[Quote],
    snapshot: MarketSnapshot,
    max_slippage_bps: int,
    gas_symbol: str,
) -> tuple[tuple[Fill, ...], ...]:
    """Different ways to trade the same, each in the order of its swaps; none where the quotes do not tell, or where an
    output would be less than the oracle demands."""
    if len(wanted) < 2 or not has_hub(snapshot):
        return ()
    by_route: dict[Route, list[Quote]] = {}
    for quote in quotes:
        if len(quote.route.fees) == 1:
            by_route.setdefault(quote.route, []).append(quote)
    needs = needs_of(wanted, snapshot)
    sides = {need: tuple(_sides(need, by_route, snapshot)) for need in needs}
    desk = _Desk(snapshot, needs, sides, by_route, max_slippage_bps, gas_symbol)
    prices = (None, *HUB_PRICES) if desk.may_empty_hub() else (None,)
    found = (desk.fills(price) for price in prices)
    return tuple(dict.fromkeys(fills for fills in found if fills))


@dataclass(frozen=True, slots=True)
class _Side:
    """A pool in which a token can settle: ``amount`` raw goes in if all does. ``sizes`` and ``outs`` are those of the
    ``real`` curve in UNIT of a dollar at the feeds' prices."""

    route: Route
    sold: bool
    amount: int
    real: Curve
    sizes: tuple[int, ...]
    outs: tuple[int, ...]

    def in_value(self, hub_price: float) -> Curve:
        """With the hub's token at ``hub_price`` of its own."""
        if HUB not in self.route.symbols or hub_price == 1.0:
            return Curve(self.route, self.sizes, self.outs)
        factor = hub_price if self.sold else 1.0 / hub_price
        return Curve(self.route, self.sizes, tuple(round(out * factor) for out in self.outs))


def _sides(need: Need, quotes: Mapping[Route, Sequence[Quote]], snapshot: MarketSnapshot) -> Iterator[_Side]:
    for route, amount in single_hops(need, snapshot):
        bought = route.symbols[-1]
        decimals, price = snapshot.token(bought).decimals, snapshot.price(bought)
        for curve in curves(quotes.get(route, ()), amount):
            sizes = tuple(round(size * need.value_usd * UNIT / amount) for size in curve.sizes)
            outs = tuple(round(usd(out, decimals, price) * UNIT) for out in curve.outs)
            yield _Side(route, need.sold, amount, curve, sizes, outs)


@dataclass(frozen=True, slots=True)
class _Desk:
    snapshot: MarketSnapshot
    needs: tuple[Need, ...]
    sides: dict[Need, tuple[_Side, ...]]
    quotes: dict[Route, list[Quote]]
    max_slippage_bps: int
    gas_symbol: str

    def fills(self, hub_price: float | None) -> tuple[Fill, ...]:
        """With WETH worth ``hub_price`` of what the feeds say; None: every token settles with the debt asset."""
        settled: list[Fill] = []
        for need in self.needs:
            if need.symbol == HUB:
                continue
            parts = self._parts(need, hub_price)
            if not parts:
                return ()
            settled += parts
        hub = self._hub_balanced(settled)
        if hub is None or any(fill.amount_out < fill.min_out for fill in (*settled, *hub)):
            return ()
        return self._in_order(settled, hub)

    def may_empty_hub(self) -> bool:
        """Whether a swap of all WETH that is there sells nothing that should stay: anybody can send it to the vault."""
        own = sum(need.amount for need in self.needs if need.symbol == HUB and need.sold)
        return self._usd(self.snapshot.holding(HUB).idle - own, HUB) <= STAYS_USD

    # ---------------------------------------------------------------- one token

    def _parts(self, need: Need, hub_price: float | None) -> list[Fill]:
        """All of a token, on one side or both."""
        sides = {side.route: side for side in self.sides[need] if hub_price or HUB not in side.route.symbols}
        whole = round(need.value_usd * UNIT)
        cost = partial(swap_usd, snapshot=self.snapshot, symbol=self.gas_symbol)
        found = [side.in_value(hub_price or 1.0) for side in sides.values()]
        chosen = best_split(found, whole, 1.0 / UNIT, cost, MOST_PARTS)
        fills, left = [], need.amount
        for place, part in enumerate(chosen, start=1):
            side = sides[part.route]
            amount = side.amount * part.amount_in // whole
            if need.sold:
                amount = left if place == len(chosen) else amount
                left -= amount
            fills.append(self._fill(part.route, amount, side.real.out(min(amount, side.real.sizes[-1]))))
        return fills

    # ------------------------------------------------------------------- the hub

    def _hub_balanced(self, settled: Sequence[Fill]) -> list[Fill] | None:
        """Swaps between WETH and the debt asset, so that nothing of WETH is left over or missing but what the plan
        wants; none where that is too little for a swap. None where no pool carries it."""
        comes = sum(fill.amount_out for fill in settled if fill.trade.buy == HUB)
        goes = sum(fill.trade.amount_in for fill in settled if fill.trade.sell == HUB)
        own = {need.sold: need for need in self.needs if need.symbol == HUB}
        sold = own[True].amount if True in own else 0
        bought = self._raw(own[False].value_usd, HUB) if False in own else 0
        over = comes + sold - goes - bought
        if abs(over) <= (comes + goes) * ABSORBED:
            return []
        cash = self.snapshot.debt_token.symbol
        if over > 0:
            sell, buy, amount = HUB, cash, over
        else:
            sell, buy, amount = cash, HUB, self._raw(self._usd(-over, HUB), cash)
        routes = [
            (route, most) for route, most in between(self.needs, self.snapshot) if route.symbols[0] == sell
        ]
        found = [
            curve
            for route, most in routes
            for curve in curves(self.quotes.get(route, ()), most)
            if curve.sizes[-1] >= amount
        ]
        unit_usd = self._usd(1, buy)
        cost = partial(swap_usd, snapshot=self.snapshot, symbol=self.gas_symbol)
        parts = best_split(found, amount, unit_usd, cost, MOST_PARTS) if amount else ()
        return [self._fill(part.route, part.amount_in, part.amount_out) for part in parts] or None

    def _in_order(self, settled: Sequence[Fill], hub: Sequence[Fill]) -> tuple[Fill, ...]:
        """Into the debt asset, into WETH, out of WETH, out of the debt asset. The last swap out of WETH sells all that
        is there where the plan keeps none of what came in: it is the largest, so that it misses the least."""
        cash = self.snapshot.debt_token.symbol
        every = sorted((*settled, *hub), key=lambda fill: -fill.trade.value_usd)
        into_hub = [fill for fill in every if fill.trade.buy == HUB]
        out_of_hub = [fill for fill in reversed(every) if fill.trade.sell == HUB]
        kept = any(need.symbol == HUB and not need.sold for need in self.needs)
        traded = any(need.symbol == HUB for need in self.needs)
        if len(into_hub) == len(out_of_hub) == 1 and not traded:
            joined = self._joined(into_hub[0], out_of_hub[0])
            into_hub, out_of_hub = [joined], []
        elif into_hub and out_of_hub and not kept:
            out_of_hub[-1] = self._all_of_it(into_hub, out_of_hub)
        rest = [fill for fill in every if HUB not in (fill.trade.buy, fill.trade.sell)]
        rest = [fill for fill in rest if fill not in into_hub]
        return (
            *(fill for fill in rest if fill.trade.buy == cash),
            *into_hub,
            *out_of_hub,
            *(fill for fill in rest if fill.trade.sell == cash),
        )

    def _joined(self, first: Fill, then: Fill) -> Fill:
        """In one swap of two hops."""
        route = Route((first.trade.sell, *then.route.symbols), (*first.route.fees, *then.route.fees))
        out = then.amount_out * first.amount_out // then.trade.amount_in
        return self._fill(route, first.trade.amount_in, out)

    def _all_of_it(self, into_hub: Sequence[Fill], out_of_hub: Sequence[Fill]) -> Fill:
        """The last one, with what is expected to be there; its least output is that of what is there for certain, so
        that it goes through where every earlier swap returns its least. As it is where nothing is certain."""
        last = out_of_hub[-1]
        own = sum(need.amount for need in self.needs if need.symbol == HUB and need.sold)
        own -= sum(fill.trade.amount_in for fill in out_of_hub[:-1])
        amount = own + sum(fill.amount_out for fill in into_hub)
        certain = own + sum(fill.min_out for fill in into_hub)
        if certain <= 0:
            return last
        whole = self._fill(last.route, amount, last.amount_out * amount // last.trade.amount_in)
        sure = replace(whole.trade, amount_in=certain)
        least = min_out(sure, last.route, self.snapshot, self.max_slippage_bps)
        return replace(whole, min_out=min(whole.min_out, least), sells_balance=True)

    # ------------------------------------------------------------------- amounts

    def _fill(self, route: Route, amount: int, out: int) -> Fill:
        sold, bought = route.symbols[0], route.symbols[-1]
        trade = Trade(sold, bought, amount, self._usd(amount, sold))
        return fill_of(trade, route, out, self.snapshot, self.max_slippage_bps)

    def _usd(self, amount: int, symbol: str) -> float:
        return usd(amount, self.snapshot.token(symbol).decimals, self.snapshot.price(symbol))

    def _raw(self, value: float, symbol: str) -> int:
        return raw_from_usd_floor(value, self.snapshot.token(symbol).decimals, self.snapshot.price(symbol))

"""The nearest prices at which a recorded HOLD would become a trade, and the fall at which the ripcord is pulled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from keeper.decision.decide import decide
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import KeeperError
from keeper.domain.market import MarketSnapshot
from keeper.domain.other_prices import at_prices
from keeper.domain.record import Conclusions, CycleInputs, DecisionRecord
from keeper.oracle.price_gate import usable_opinions
from keeper.sizing.restraint import restraint
from keeper.sizing.size import size
from keeper.sizing.tighten import tighten

STEPS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8)
"""Moves at which the decision is tried, as fractions of the present price. Between two of them the place is bisected,
so a window narrower than a step is not seen."""
SIGNIFICANT_DIGITS = 5
JOINT_UNIT = 1_000
"""Joint moves are searched in thousandths of the present prices."""

Acts = Callable[[Decision], bool]
Prices = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PriceThreshold:
    """``prices`` (USD, 8 decimals) of ``symbols`` are the first on their way at which ``decision`` is made. ``change``
    is their distance from the record's, a fraction. ``held_change`` is the last tried distance at which it is not made
    yet."""

    symbols: tuple[str, ...]
    prices: tuple[int, ...]
    change: float
    held_change: float
    decision: Decision


@dataclass(frozen=True, slots=True)
class WhatIf:
    """``trades`` are the places where the HOLD ends, the nearest first; empty for a record that holds nothing back.

    ``stopped`` are the nearest places, in directions in which nothing is traded, where a trigger asks for a trade and a
    gate stops it; empty where a trigger asks already. ``ripcord`` is the joint fall of all risk assets at which the
    keeper deleverages at once, None if no fall does."""

    trades: tuple[PriceThreshold, ...]
    stopped: tuple[PriceThreshold, ...]
    ripcord: PriceThreshold | None


@dataclass(frozen=True, slots=True)
class _Line:
    """Prices along one direction: ``origin`` ticks are the present ones, fewer ticks are lower prices."""

    symbols: tuple[str, ...]
    origin: int
    prices: Callable[[int], Prices]

    def ticks(self, sign: int) -> Iterator[int]:
        last = self.origin
        for step in STEPS:
            tick = self.origin + sign * round(self.origin * step)
            if tick != last:
                yield tick
            last = tick


def what_if(record: DecisionRecord) -> WhatIf:
    """The decision of a record, made again at other prices with the record's own estimate.

    The estimate, the time, and what is known of the data stay as they were. Empty for a cycle without a decision.
    """
    inputs, conclusions = record.inputs, record.conclusions
    if inputs is None or conclusions is None:
        return WhatIf((), (), None)
    snapshot = inputs.snapshot
    counts = usable_opinions(snapshot, inputs.opinions, inputs.policy.oracle)
    decided = partial(_decided, replace(inputs, second_opinions=counts), conclusions)
    together = _joint(snapshot)
    lines = [*([together] if together is not None else []), *_single(snapshot)]
    trades: list[PriceThreshold] = []
    stopped: list[PriceThreshold] = []
    if conclusions.decision.action is Action.HOLD:
        asked = _asks(conclusions.decision)
        for line, sign in product(lines, (-1, 1)):
            trade = _first(line, sign, decided=decided, acts=_trades)
            if trade is not None:
                trades.append(trade)
            elif not asked and (asks := _first(line, sign, decided=decided, acts=_asks)) is not None:
                stopped.append(asks)
    ripcord = None
    if together is not None and conclusions.decision.action is not Action.RIPCORD:
        ripcord = _first(together, -1, decided=decided, acts=_pulls_ripcord)
    return WhatIf(_nearest_first(trades), _nearest_first(stopped), ripcord)


def _trades(decision: Decision) -> bool:
    return decision.action is not Action.HOLD


def _asks(decision: Decision) -> bool:
    return any(gate.kind == "trigger" and gate.passed for gate in decision.gates)


def _nearest_first(places: list[PriceThreshold]) -> tuple[PriceThreshold, ...]:
    return tuple(sorted(places, key=lambda place: abs(place.change)))


def _pulls_ripcord(decision: Decision) -> bool:
    return decision.action is Action.RIPCORD


def _joint(snapshot: MarketSnapshot) -> _Line | None:
    present = {symbol: snapshot.price(symbol) for symbol in snapshot.risk_symbols}
    priced = {symbol: price for symbol, price in present.items() if price > 0}
    if not priced:
        return None

    def prices(tick: int) -> Prices:
        return {symbol: max(1, round(price * tick / JOINT_UNIT)) for symbol, price in priced.items()}

    return _Line(tuple(priced), JOINT_UNIT, prices)


def _single(snapshot: MarketSnapshot) -> Iterator[_Line]:
    """One line for each asset with a price, in ticks of its fifth significant digit."""
    for symbol in snapshot.risk_symbols:
        price = snapshot.price(symbol)
        if price > 0:
            tick = 10 ** max(0, math.floor(math.log10(price)) - SIGNIFICANT_DIGITS + 1)
            yield _Line((symbol,), round(price / tick), partial(_at_tick, symbol, tick))


def _at_tick(symbol: str, tick: int, count: int) -> Prices:
    return {symbol: max(1, count * tick)}


def _first(
    line: _Line, sign: int, *, decided: Callable[[Prices], Decision | None], acts: Acts
) -> PriceThreshold | None:
    """The first place in this direction at which the decision acts, by steps and then by bisection."""
    before = line.origin
    for tick in line.ticks(sign):
        decision = decided(line.prices(tick))
        if decision is not None and acts(decision):
            break
        before = tick
    else:
        return None
    while abs(tick - before) > 1:
        middle = (tick + before) // 2
        tried = decided(line.prices(middle))
        if tried is not None and acts(tried):
            tick, decision = middle, tried
        else:
            before = middle
    return PriceThreshold(
        symbols=line.symbols,
        prices=tuple(line.prices(tick).values()),
        change=tick / line.origin - 1,
        held_change=before / line.origin - 1,
        decision=decision,
    )


def _decided(inputs: CycleInputs, conclusions: Conclusions, prices: Prices) -> Decision | None:
    """None where no target can be computed at these prices."""
    observation = replace(inputs, snapshot=at_prices(inputs.snapshot, prices))
    policy, tightened = tighten(inputs.policy, observation.snapshot.vault)
    held_back = restraint(observation, conclusions.target.missing)
    try:
        target = size(conclusions.model, observation, policy, restraint=held_back)
        return decide(observation, conclusions.model, target, policy=policy, tightened=tightened)
    except KeeperError:
        return None

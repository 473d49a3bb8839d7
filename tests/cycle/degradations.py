"""Every way in which a part of what a look is given can be missing, late, frozen or wrong.

A lie within the keeper's own tolerance is not here. Nobody can tell it from the market.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keeper.domain.market import RateCurve, Trust
from keeper.domain.units import UINT256_MAX
from keeper.risk.standstill import longest_standstill
from tests.cycle.market_states import MarketState
from tests.factories import HOUR, with_block, with_feed, with_reserve, with_vault

MINUTE: Final = 60
SHORTEST_S, LONGEST_S = MINUTE, 3 * 24 * HOUR
ALL_ASSETS: Final = "every asset"


@dataclass(frozen=True, slots=True)
class Degradation:
    """``name`` is one of ``DEGRADATIONS``. ``symbol`` is an asset or ``ALL_ASSETS``, ``seconds`` for how long, ``place``
    in [0, 1] where in the history or how much."""

    name: str
    symbol: str
    seconds: int
    place: float

    def applied(self, state: MarketState) -> MarketState:
        return DEGRADATIONS[self.name](state, self)

    def concerns(self, symbol: str) -> bool:
        return self.symbol in (ALL_ASSETS, symbol)

    @property
    def bars(self) -> int:
        """At least one: a bar that is a minute late was not there when it was needed."""
        return max(1, math.ceil(self.seconds / HOUR))


Degrade = Callable[[MarketState, Degradation], MarketState]
ChangeCloses = Callable[[NDArray[np.float64], Degradation], None]
"""Changes the closes (T,) of one asset in place."""
DEGRADATIONS: Final[dict[str, Degrade]] = {}


def degraded(state: MarketState, degradations: Sequence[Degradation]) -> MarketState:
    """The state after each of them, in their order."""
    for degradation in degradations:
        state = degradation.applied(state)
    return state


def _concerned(state: MarketState, how: Degradation) -> tuple[str, ...]:
    return tuple(symbol for symbol in state.snapshot.risk_symbols if how.concerns(symbol))


def _way(name: str) -> Callable[[Degrade], Degrade]:
    def registered(degrade: Degrade) -> Degrade:
        DEGRADATIONS[name] = degrade
        return degrade

    return registered


def _of_closes(name: str) -> Callable[[ChangeCloses], ChangeCloses]:
    """Registers a change of closes twice: of the feeds' bars, and of the candles of exchanges."""

    def registered(change: ChangeCloses) -> ChangeCloses:
        def degrade(state: MarketState, how: Degradation) -> MarketState:
            return replace(
                state, bars=replace(state.bars, closes=_changed(state, state.bars.closes, change, how))
            )

        DEGRADATIONS[name] = degrade
        _of_candles(f"candles: {name}")(change)
        return change

    return registered


def _of_candles(name: str) -> Callable[[ChangeCloses], ChangeCloses]:
    """Registers a change of the candles of one exchange, or of all: ``seconds`` chooses."""

    def registered(change: ChangeCloses) -> ChangeCloses:
        def degrade(state: MarketState, how: Degradation) -> MarketState:
            names = sorted(state.bars.exchanges)
            chosen = how.seconds % (len(names) + 1)
            exchanges = {
                each: _changed(state, closes, change, how)
                if chosen in (names.index(each), len(names))
                else closes
                for each, closes in state.bars.exchanges.items()
            }
            return replace(state, bars=replace(state.bars, exchanges=exchanges))

        DEGRADATIONS[name] = degrade
        return change

    return registered


def _changed(
    state: MarketState, closes: NDArray[np.float64], change: ChangeCloses, how: Degradation
) -> NDArray[np.float64]:
    changed = closes.copy()
    for column, symbol in enumerate(state.bars.symbols):
        if how.concerns(symbol):
            change(changed[:, column], how)
    return changed


# ------------------------------------------------------------------ history


@_of_closes("newest bars dropped")
def _drop_newest(closes: NDArray[np.float64], how: Degradation) -> None:
    closes[-how.bars :] = np.nan


def _unusual(closes: NDArray[np.float64], how: Degradation) -> int:
    """Bars for which a price that is carried on stands still longer than it ever does by itself. A slow feed that is
    late by less is as slow as always."""
    return max(how.bars, longest_standstill(closes))


@_of_closes("newest bars frozen")
def _freeze(closes: NDArray[np.float64], how: Degradation) -> None:
    bars = _unusual(closes, how)
    closes[-bars:] = closes[-bars - 1]


@_of_closes("hole in the history")
def _hole(closes: NDArray[np.float64], how: Degradation) -> None:
    begin = round(how.place * (closes.size - how.bars))
    closes[begin : begin + how.bars] = np.nan


@_of_closes("hole, price carried")
def _carried_hole(closes: NDArray[np.float64], how: Degradation) -> None:
    bars = _unusual(closes, how)
    begin = 1 + round(how.place * (closes.size - bars - 1))
    closes[begin : begin + bars] = closes[begin - 1]


@_of_closes("wildest bars dropped")
def _drop_wildest(closes: NDArray[np.float64], how: Degradation) -> None:
    moves = np.nan_to_num(np.abs(np.diff(np.log(closes))))
    begin = int(np.convolve(moves, np.ones(how.bars), "valid").argmax())
    closes[begin : begin + how.bars] = np.nan


@_of_closes("history cut short")
def _cut(closes: NDArray[np.float64], how: Degradation) -> None:
    closes[: round(how.place * closes.size)] = np.nan


@_of_closes("random bars dropped")
def _drop_random(closes: NDArray[np.float64], how: Degradation) -> None:
    generator = np.random.default_rng(how.seconds)
    closes[generator.random(closes.size) < 0.6 * how.place] = np.nan


@_of_closes("bars duplicated")
def _duplicate(closes: NDArray[np.float64], how: Degradation) -> None:
    """Bars are there twice, and push the oldest out. Nobody can tell the bars of a slow feed from those of one that is
    slower, as its prices stand still anyway."""
    if longest_standstill(closes) > 1:
        return
    begin = round(how.place * (closes.size - 2 * how.bars))
    twice = np.repeat(closes[begin + how.bars : begin + 2 * how.bars], 2)
    closes[: begin + 2 * how.bars] = np.concatenate([closes[how.bars : begin + how.bars], twice])


@_of_candles("candles: from the future")
def _shift(closes: NDArray[np.float64], how: Degradation) -> None:
    """What is stamped later than the block does not count; the rest is stamped too late."""
    closes[how.bars :] = closes[: -how.bars].copy()
    closes[: how.bars] = np.nan


@_of_candles("candles: calmer than the market")
def _calm(closes: NDArray[np.float64], how: Degradation) -> None:
    last = closes[np.flatnonzero(np.isfinite(closes))[-1]]
    closes[:] = last * (closes / last) ** (0.5 * how.place)


@_of_candles("candles: of another time")
def _backwards(closes: NDArray[np.float64], how: Degradation) -> None:
    """Moves as large as the market's, without its correlations."""
    closes[:] = closes[::-1].copy()


@_of_candles("candles: in another unit")
def _rescaled(closes: NDArray[np.float64], how: Degradation) -> None:
    closes *= 10.0 ** (1 + how.seconds % 8)


@_way("history late")
def _late(state: MarketState, how: Degradation) -> MarketState:
    """The whole history ends before the block does."""
    return replace(
        state,
        bars=state.bars_until(-how.bars),
    )


@_way("history from the future")
def _early(state: MarketState, how: Degradation) -> MarketState:
    return replace(state, bars=replace(state.bars, times=state.bars.times + HOUR * how.bars))


# ----------------------------------------------------------- option markets


def _of_implied(name: str, change: Callable[[float, Degradation], tuple[float | None, int]]) -> None:
    """Registers a change of volatility and age of an option market's reading; both markets for ``ALL_ASSETS``."""

    def degrade(state: MarketState, how: Degradation) -> MarketState:
        readings = []
        for reading in state.implied:
            if how.concerns(f"W{reading.underlying}") and reading.volatility is not None:
                volatility, age_s = change(reading.volatility, how)
                at = state.snapshot.block.timestamp - age_s
                reading = replace(reading, volatility=volatility, observed_at=at)
            readings.append(reading)
        return replace(state, implied=tuple(readings))

    DEGRADATIONS[name] = degrade


_of_implied("implied without a number", lambda _, how: (None, 0))
_of_implied("implied NaN", lambda _, how: (math.nan, 0))
_of_implied("implied infinite", lambda _, how: (math.inf, 0))
_of_implied("implied negative", lambda volatility, how: (-volatility, 0))
_of_implied("implied late", lambda volatility, how: (volatility, 3 * HOUR + how.seconds))
_of_implied("implied from the future", lambda volatility, how: (volatility, -how.seconds))
_of_implied("implied lies", lambda volatility, how: (volatility * 0.89 * how.place, 0))


@_way("implied dropped")
def _without_implied(state: MarketState, how: Degradation) -> MarketState:
    remaining = (reading for reading in state.implied if not how.concerns(f"W{reading.underlying}"))
    return replace(state, implied=tuple(remaining))


# ---------------------------------------------------- feeds and second opinions


def _of_trust(trust: Trust) -> None:
    def degrade(state: MarketState, how: Degradation) -> MarketState:
        snapshot = state.snapshot
        for symbol in _concerned(state, how):
            snapshot = with_feed(snapshot, symbol, trust=trust, reason="degraded")
        return replace(state, snapshot=snapshot)

    DEGRADATIONS[f"feed {trust.value}"] = degrade


for _trust in (Trust.STALE, Trust.SUSPECT, Trust.DEAD):
    _of_trust(_trust)


@_way("feed lies")
def _lying_feed(state: MarketState, how: Degradation) -> MarketState:
    """Far enough from the other sources that the price gate suspects it."""
    snapshot = state.snapshot
    for symbol in _concerned(state, how):
        latest = snapshot.feeds[snapshot.index(symbol)].round
        answer = round(latest.answer * (0.5 + 0.4 * how.place if how.seconds % 2 else 1.2 + how.place))
        snapshot = with_feed(
            snapshot, symbol, round=replace(latest, answer=answer), trust=Trust.SUSPECT, reason="degraded"
        )
    return replace(state, snapshot=snapshot)


@_way("second opinions dropped")
def _without_opinions(state: MarketState, how: Degradation) -> MarketState:
    fewer = {
        symbol: max(0, count - 1 - how.seconds % 4) if how.concerns(symbol) else count
        for symbol, count in state.opinions.items()
    }
    return replace(state, opinions=fewer)


# ------------------------------------------------- pools, lending market, vault


@_way("pools not read")
def _without_pools(state: MarketState, how: Degradation) -> MarketState:
    remaining = tuple(pool for pool in state.snapshot.depths if not how.concerns(pool.symbol))
    return replace(state, snapshot=replace(state.snapshot, depths=remaining))


def _of_reserve(name: str, changes: Callable[[MarketState, str, Degradation], Mapping[str, object]]) -> None:
    """Registers a change of each asset's reserve."""

    def degrade(state: MarketState, how: Degradation) -> MarketState:
        snapshot = state.snapshot
        for symbol in _concerned(state, how):
            snapshot = with_reserve(snapshot, symbol, **changes(state, symbol, how))
        return replace(state, snapshot=snapshot)

    DEGRADATIONS[name] = degrade


_of_reserve("lending price not read", lambda state, symbol, how: {"market_price": 0})
_of_reserve(
    "lending price lies",
    lambda state, symbol, how: {"market_price": round(state.snapshot.price(symbol) * (1.05 + how.place))},
)
_of_reserve("supply cap not read", lambda state, symbol, how: {"supply_cap": 0})
_of_reserve("reserve inactive", lambda state, symbol, how: {"active": False})


def _of_debt(name: str, **changes: object) -> None:
    """Registers a change of the accounting asset's reserve."""
    DEGRADATIONS[name] = lambda state, how: replace(
        state, snapshot=with_reserve(state.snapshot, "USDC", **changes)
    )


_of_debt("borrow cap not read", borrow_cap=0)
_of_debt("liquidity not read", available=0)
_of_debt("rate curve not read", curve=RateCurve(0.92, 0.0, 0.0, 0.0))


@_way("account without debt")
def _without_debt(state: MarketState, how: Degradation) -> MarketState:
    account = replace(state.snapshot.account, health_factor=UINT256_MAX, debt_base=0)
    return replace(state, snapshot=replace(state.snapshot, account=account))


@_way("vault's entry not read")
def _without_entry(state: MarketState, how: Degradation) -> MarketState:
    entries = tuple(entry for entry in state.snapshot.vault.assets if not how.concerns(entry.symbol))
    return replace(state, snapshot=with_vault(state.snapshot, assets=entries))


@_way("base fee not read")
def _without_fee(state: MarketState, how: Degradation) -> MarketState:
    return replace(state, snapshot=with_block(state.snapshot, base_fee_wei=0))

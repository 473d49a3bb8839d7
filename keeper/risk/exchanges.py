"""A second source for feeds that publish slowly: estimates from the candles of exchanges.

A slow feed shows too few moves for a precise estimate. An exchange's hourly closes show them all, but one exchange may
lie. So no asset's estimate ever comes from one exchange alone, nor from exchanges that contradict each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.information import InformedLook
from keeper.domain.model import RiskModel
from keeper.domain.policy import Policy
from keeper.domain.prices import exchange_series
from keeper.domain.units import BPS
from keeper.risk.coverage import RECENT_DAYS, returns_together, slow_feeds
from keeper.risk.estimate import estimate
from keeper.risk.ewma import bars_of
from keeper.risk.returns import log_returns
from keeper.risk.riskier import riskier
from keeper.risk.standstill import is_moving

CANDLES = "candles:"
"""Begins the names of facts about exchanges' candles."""
MAX_BARS_BEHIND = 1
"""Closes that an exchange may lack at the end: the newest is still being settled for a minute. An exchange that lacks
more does not see a crash of now."""
ENOUGH_EXCHANGES = 2
"""From this number on the feeds' own estimate of slow assets does not count: no single exchange can lower risk."""
MAX_DIFFERENCE = 0.2
"""Of two exchanges' returns: the sum of squares of their differences over the larger of their own sums of squares.
Closes that are an hour off give 2, moves half as large 0.25."""
NOISE = 0.0025
"""Root mean square of such differences that the last trades of an hour on two exchanges explain."""


@dataclass(frozen=True, slots=True, eq=False)
class ExchangeBars:
    """``bars`` in which ``symbols`` have the closes of ``exchange`` and the other assets those of their feeds. Of the
    symbols in ``contradicted`` another exchange shows another market."""

    exchange: str
    symbols: tuple[str, ...]
    contradicted: frozenset[str]
    bars: PriceBars


def candle_symbols(bars: PriceBars, look: InformedLook | None) -> tuple[str, ...]:
    """The assets that are also estimated from candles: those with a slow feed, and those of the last informed look.

    A feed whose pace is near the limit thus does not change its source from look to look.
    """
    slow = slow_feeds(bars)
    facts = look.facts if look is not None else ()
    before = {fact.subject for fact in facts if fact.name.startswith(CANDLES)}
    return tuple(symbol for symbol in bars.symbols if symbol in slow or symbol in before)


def exchange_bars(bars: PriceBars, symbols: Sequence[str], policy: Policy) -> tuple[ExchangeBars, ...]:
    """Of each exchange the bars with its closes for those of ``symbols`` of which they are usable: enough, up to now,
    not carried on, and near the feed's.

    Before the first close of the exchange the feed's remain: without them a month of quiet candles would hide a wild
    quarter. An exchange that has enough of none is left out, and one with whose closes too few returns are common to
    all assets.
    """
    listed = []
    for exchange, closes in bars.exchanges.items():
        columns = [
            column
            for column, symbol in enumerate(bars.symbols)
            if symbol in symbols and _is_usable(bars, exchange, column, policy=policy)
        ]
        mixed = bars.closes.copy()
        for column in columns:
            begin = int(np.argmax(np.isfinite(closes[:, column])))
            mixed[begin:, column] = closes[begin:, column]
        replaced = replace(bars, closes=mixed, exchanges={})
        if columns and returns_together(replaced) >= policy.estimate.min_bars:
            names = tuple(bars.symbols[column] for column in columns)
            listed.append(ExchangeBars(exchange, names, contradicted=frozenset(), bars=replaced))
    return tuple(replace(each, contradicted=_contradicted(bars, each, listed)) for each in listed)


def agreeing_closes(bars: PriceBars, exchanges: Sequence[ExchangeBars]) -> Mapping[str, NDArray[np.float64]]:
    """By ``exchange_series`` the closes (T,) that no other exchange contradicts."""
    return {
        exchange_series(symbol, each.exchange): bars.exchanges[each.exchange][:, bars.symbols.index(symbol)]
        for each in exchanges
        for symbol in each.symbols
        if symbol not in each.contradicted
    }


def estimate_with_exchanges(evidence: Evidence, policy: Policy, symbols: Sequence[str]) -> RiskModel:
    """``estimate``, or the riskiest of the estimates from exchanges' candles of ``symbols``.

    With one exchange the estimate from the feeds counts too, because that exchange may lie, and likewise where
    exchanges contradict each other. With several that agree it does not: a single one that lies can then only raise the
    estimate. Where an exchange has no candles of an asset, its estimate uses the asset's feed. The worst losses are
    always those of the feeds. Raises as ``estimate``.
    """
    model = estimate(evidence, policy)
    others = exchange_bars(evidence.bars, symbols, policy)
    models = [(other.exchange, estimate(replace(evidence, bars=other.bars), policy)) for other in others]
    if len(models) >= ENOUGH_EXCHANGES and not any(other.contradicted for other in others):
        exchange, first = models.pop(0)
        assets = tuple(
            replace(asset, provenance=f"{asset.provenance}; candles of {exchange}")
            if asset.symbol in others[0].symbols
            else asset
            for asset in first.assets
        )
        model = replace(first, assets=assets, worst_losses=model.worst_losses)
    for exchange, other_model in models:
        weights = _equal_risk_weights(model)
        model = riskier(model, other_model.covariance, weights, source=f"{exchange}'s")
    return model


def _is_usable(bars: PriceBars, exchange: str, column: int, *, policy: Policy) -> bool:
    closes, symbol = bars.exchanges[exchange][:, column], bars.symbols[column]
    known = np.isfinite(closes)
    returns = int(np.isfinite(log_returns(closes[:, None])).sum())
    return bool(
        returns >= policy.estimate.min_bars
        and known[-1 - MAX_BARS_BEHIND :].any()
        and is_moving(closes[: np.flatnonzero(known)[-1] + 1])
        and _distance(closes, bars.closes[:, column], bars.bar_seconds) <= _tolerance(policy, symbol)
    )


def _distance(closes: NDArray[np.float64], of_feed: NDArray[np.float64], bar_seconds: int) -> float:
    """Median distance of logarithms over the last days; infinite where there is no bar that both have."""
    recent = slice(-round(bars_of(RECENT_DAYS, bar_seconds)), None)
    distances = np.abs(np.log(closes[recent] / of_feed[recent]))
    known = np.isfinite(distances)
    return float(np.median(distances[known])) if known.any() else math.inf


def _tolerance(policy: Policy, symbol: str) -> float:
    """As for a second opinion of the price: the feed's deviation, and what sources may differ by."""
    return (policy.oracle.feed(symbol).deviation_bps + policy.oracle.disagreement_bps) / BPS


def _contradicted(bars: PriceBars, exchange: ExchangeBars, others: Sequence[ExchangeBars]) -> frozenset[str]:
    """The symbols of which another exchange shows another market, over the last days or the whole history."""
    recent = round(bars_of(RECENT_DAYS, bars.bar_seconds))
    symbols = set()
    for other in others:
        for symbol in set(exchange.symbols) & set(other.symbols) if other is not exchange else ():
            column = bars.symbols.index(symbol)
            pair = np.column_stack([bars.exchanges[each.exchange][:, column] for each in (exchange, other)])
            if any(_differ(log_returns(part)) for part in (pair, pair[-recent - 1 :])):
                symbols.add(symbol)
    return frozenset(symbols)


def _differ(returns: NDArray[np.float64]) -> bool:
    """Whether two exchanges' returns (T, 2) are of different markets: ``MAX_DIFFERENCE``, and more than ``NOISE``."""
    returns = returns[np.isfinite(returns).all(axis=1)]
    larger = float(np.square(returns).sum(axis=0).max())
    different = float(np.square(returns[:, 0] - returns[:, 1]).sum())
    return different > max(MAX_DIFFERENCE * larger, NOISE**2 * len(returns))


def _equal_risk_weights(model: RiskModel) -> tuple[float, ...]:
    """Unit weights (n,) in proportion to ``1 / s_i``."""
    inverse = 1.0 / np.sqrt(np.array(model.covariance).diagonal())
    return tuple((inverse / inverse.sum()).tolist())

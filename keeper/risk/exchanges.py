"""A second source for feeds that publish slowly: estimates from the candles of exchanges.

A slow feed shows too few moves for a precise estimate. An exchange's hourly closes show them all, but one exchange may
lie. So no asset's estimate ever comes from one exchange alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.information import InformedLook
from keeper.domain.model import RiskModel
from keeper.domain.policy import EstimatePolicy, Policy
from keeper.risk.coverage import returns_together, slow_feeds
from keeper.risk.estimate import estimate
from keeper.risk.returns import log_returns
from keeper.risk.riskier import riskier

CANDLES = "candles:"
"""Begins the names of facts about exchanges' candles."""
MAX_BARS_BEHIND = 1
"""Closes that an exchange may lack at the end: the newest is still being settled for a minute. An exchange that lacks
more does not see a crash of now."""
ENOUGH_EXCHANGES = 2
"""From this number on the feeds' own estimate of slow assets does not count: no single exchange can lower risk."""


@dataclass(frozen=True, slots=True, eq=False)
class ExchangeBars:
    """``bars`` in which ``symbols`` have the closes of ``exchange`` and the other assets those of their feeds."""

    exchange: str
    symbols: tuple[str, ...]
    bars: PriceBars


def candle_symbols(bars: PriceBars, look: InformedLook | None) -> tuple[str, ...]:
    """The assets that are also estimated from candles: those with a slow feed, and those of the last informed look.

    A feed whose pace is near the limit thus does not change its source from look to look.
    """
    slow = slow_feeds(bars)
    facts = look.facts if look is not None else ()
    before = {fact.subject for fact in facts if fact.name.startswith(CANDLES)}
    return tuple(symbol for symbol in bars.symbols if symbol in slow or symbol in before)


def exchange_bars(
    bars: PriceBars, symbols: Sequence[str], policy: EstimatePolicy
) -> tuple[ExchangeBars, ...]:
    """Of each exchange the bars with its closes for those of ``symbols`` of which it has enough, up to now.

    Before the first close of the exchange the feed's remain: without them a month of quiet candles would hide a wild
    quarter. An exchange that has enough of none is left out, and one with whose closes too few returns are common to
    all assets.
    """
    listed = []
    for exchange, closes in bars.exchanges.items():
        columns = [
            column
            for column, symbol in enumerate(bars.symbols)
            if symbol in symbols and _is_enough(closes[:, column], policy)
        ]
        mixed = bars.closes.copy()
        for column in columns:
            begin = int(np.argmax(np.isfinite(closes[:, column])))
            mixed[begin:, column] = closes[begin:, column]
        replaced = replace(bars, closes=mixed, exchanges={})
        if columns and returns_together(replaced) >= policy.min_bars:
            names = tuple(bars.symbols[column] for column in columns)
            listed.append(ExchangeBars(exchange, names, replaced))
    return tuple(listed)


def estimate_with_exchanges(evidence: Evidence, policy: Policy, symbols: Sequence[str]) -> RiskModel:
    """``estimate``, or the riskiest of the estimates from exchanges' candles of ``symbols``.

    With one exchange the estimate from the feeds counts too, because that exchange may lie. With several it does not:
    a single one that lies can then only raise the estimate. Where an exchange has no candles of an asset, its estimate
    uses the asset's feed. The worst losses are always those of the feeds. Raises as ``estimate``.
    """
    model = estimate(evidence, policy)
    others = exchange_bars(evidence.bars, symbols, policy.estimate)
    models = [(other.exchange, estimate(replace(evidence, bars=other.bars), policy)) for other in others]
    if len(models) >= ENOUGH_EXCHANGES:
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


def _is_enough(closes: NDArray[np.float64], policy: EstimatePolicy) -> bool:
    """Whether closes (T,) are as many as a feed's must be, and reach up to now."""
    known = np.isfinite(closes)
    returns = int(np.isfinite(log_returns(closes[:, None])).sum())
    return bool(
        known.sum() >= policy.min_history * (policy.history_s // policy.bar_seconds)
        and returns >= policy.min_bars
        and known[-1 - MAX_BARS_BEHIND :].any()
    )


def _equal_risk_weights(model: RiskModel) -> tuple[float, ...]:
    """Unit weights (n,) in proportion to ``1 / s_i``."""
    inverse = 1.0 / np.sqrt(np.array(model.covariance).diagonal())
    return tuple((inverse / inverse.sum()).tolist())

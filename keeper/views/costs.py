"""What trading each asset is assumed to cost, what it did cost, and what a decision counted with. bps of value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.decision.costs import assumed_costs_bps, expected_costs, parts
from keeper.domain.decision import Decision, PoolCost
from keeper.domain.executed_swaps import ExecutedSwap, LearnedCost
from keeper.domain.record import CycleInputs
from keeper.views import formats as unit
from keeper.views.view import Field, View


@dataclass(frozen=True, slots=True)
class TradedCosts:
    """All trades of one asset: plain means. An asset traded against another carries half of the swap's cost.
    ``simulated_bps`` is None where no node reported it."""

    symbol: str
    trades: int
    value_usd: float
    fees_bps: float
    quoted_bps: float
    simulated_bps: float | None
    realised_bps: float
    worst_bps: float


TRADED_COSTS = View[TradedCosts](
    "traded_costs",
    symbol=Field(unit.TEXT, "The asset."),
    trades=Field(unit.COUNT, "Swaps of it in the journal."),
    value_usd=Field(unit.DOLLARS, "Their value."),
    fees_bps=Field(unit.BPS, "Fees of the pools."),
    quoted_bps=Field(unit.BPS, "Cost by the quoter, against the feeds."),
    simulated_bps=Field(unit.BPS, "Cost in the simulation; null if no node reported it."),
    realised_bps=Field(unit.BPS, "Cost on chain."),
    worst_bps=Field(unit.BPS, "Highest realised cost of a single swap."),
)


def traded_costs(executed_swaps: Sequence[ExecutedSwap], symbols: Sequence[str]) -> tuple[TradedCosts, ...]:
    """Costs of each of ``symbols`` that was traded, in their order."""
    traded: dict[str, list[tuple[ExecutedSwap, float]]] = {symbol: [] for symbol in symbols}
    for swap in executed_swaps:
        for symbol, share in parts(swap, symbols).items():
            traded[symbol].append((swap, share))
    return tuple(_of_asset(symbol, swaps) for symbol, swaps in traded.items() if swaps)


def _of_asset(symbol: str, traded: Sequence[tuple[ExecutedSwap, float]]) -> TradedCosts:
    simulated = [share * swap.simulated_bps for swap, share in traded if swap.simulated_bps is not None]
    realised = [share * swap.realised_bps for swap, share in traded]
    return TradedCosts(
        symbol=symbol,
        trades=len(traded),
        value_usd=math.fsum(swap.value_usd for swap, _ in traded),
        fees_bps=_mean([share * swap.fees_bps for swap, share in traded]),
        quoted_bps=_mean([share * swap.quoted_bps for swap, share in traded]),
        simulated_bps=_mean(simulated) if simulated else None,
        realised_bps=_mean(realised),
        worst_bps=max(realised),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


@dataclass(frozen=True, slots=True)
class CountedCost:
    """The cost of one asset by the settings, by earlier swaps and by the depth of the pools; None where there is none.
    ``without_pools_bps`` is drawn from settings and swaps."""

    symbol: str
    assumed_bps: float
    learned: LearnedCost | None
    pools: PoolCost | None
    without_pools_bps: float

    @property
    def trades(self) -> int:
        return 0 if self.learned is None else self.learned.trades

    @property
    def source(self) -> str:
        return "assumed" if self.pools is None else "pools"

    @property
    def expected_bps(self) -> float:
        pools = self.pools
        return self.without_pools_bps if pools is None else pools.linear_bps + pools.impact_bps


COUNTED_COST = View[CountedCost](
    "trade_costs",
    symbol=Field(unit.TEXT, "The asset."),
    assumed_bps=Field(unit.BPS, "Cost by the settings."),
    source=Field(unit.TEXT, "`pools` if `expected_bps` comes from their depth, else `assumed`."),
    size_usd=Field(unit.DOLLARS, "Size of the trade that was considered.", "pools.size_usd"),
    linear_bps=Field(unit.BPS, "Cost at any size: the lowest fee.", "pools.linear_bps"),
    impact_bps=Field(unit.BPS, "Price impact of that size.", "pools.impact_bps"),
    trades=Field(unit.COUNT, "Swaps that were learned from."),
    realised_bps=Field(unit.BPS, "Weighted mean cost of those swaps.", "learned.realised_bps"),
    fees_bps=Field(unit.BPS, "Weighted mean fee of those swaps.", "learned.fees_bps"),
    expected_bps=Field(unit.BPS, "The cost that the decision counted with."),
)


def counted_costs(inputs: CycleInputs, decision: Decision | None) -> tuple[CountedCost, ...]:
    """One entry for each risk asset, in the snapshot's order."""
    policy, symbols = inputs.policy, inputs.snapshot.risk_symbols
    learned = {cost.symbol: cost for cost in inputs.learned_costs}
    from_pools = {cost.symbol: cost for cost in (decision.pool_costs if decision is not None else ())}
    assumed = assumed_costs_bps(policy, symbols)
    expected = expected_costs(policy, symbols, inputs.learned_costs, curves={})
    return tuple(
        CountedCost(
            symbol=symbol,
            assumed_bps=assumed_bps,
            learned=learned.get(symbol),
            pools=from_pools.get(symbol),
            without_pools_bps=cost.linear_bps,
        )
        for symbol, assumed_bps, cost in zip(symbols, assumed, expected, strict=True)
    )

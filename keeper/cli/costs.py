"""What trading was assumed to cost and what it did cost, on the screen and as objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keeper.decision.costs import assumed_costs_bps, expected_costs, parts
from keeper.domain.decision import Decision
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.policy import Policy
from keeper.domain.record import CycleInputs

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class TradedCosts:
    """All trades of one asset, plain means in bps of value; an asset traded against another carries half of the leg's
    cost. ``simulated_bps`` None where no node ever told it; ``worst_bps`` is of a single leg, realised."""

    symbol: str
    trades: int
    value_usd: float
    quoted_bps: float
    simulated_bps: float | None
    realised_bps: float
    fees_bps: float
    worst_bps: float


def traded_costs(executed_swaps: Sequence[ExecutedSwap], symbols: Sequence[str]) -> tuple[TradedCosts, ...]:
    """Of each of ``symbols`` that was traded, in their order."""
    found: dict[str, list[tuple[ExecutedSwap, float]]] = {symbol: [] for symbol in symbols}
    for swap in executed_swaps:
        for symbol, share in parts(swap, symbols).items():
            found[symbol].append((swap, share))
    return tuple(_of_asset(symbol, traded) for symbol, traded in found.items() if traded)


def _of_asset(symbol: str, traded: Sequence[tuple[ExecutedSwap, float]]) -> TradedCosts:
    simulated = [share * swap.simulated_bps for swap, share in traded if swap.simulated_bps is not None]
    realised = [share * swap.realised_bps for swap, share in traded]
    return TradedCosts(
        symbol=symbol,
        trades=len(traded),
        value_usd=math.fsum(swap.value_usd for swap, _ in traded),
        quoted_bps=_mean([share * swap.quoted_bps for swap, share in traded]),
        simulated_bps=_mean(simulated) if simulated else None,
        realised_bps=_mean(realised),
        fees_bps=_mean([share * swap.fees_bps for swap, share in traded]),
        worst_bps=max(realised),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def costs_table(found: Sequence[TradedCosts]) -> Table:
    """``keeper journal costs``."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("asset", no_wrap=True)
    for heading in ("trades", "value USD", "pool fees", "quoted", "simulated", "realised", "worst"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            one.symbol,
            f"{one.trades:,}",
            f"{one.value_usd:,.0f}",
            _bps(one.fees_bps),
            _bps(one.quoted_bps),
            _bps(one.simulated_bps),
            _bps(one.realised_bps),
            _bps(one.worst_bps),
        )
    return table


def expected_table(inputs: CycleInputs, decision: Decision | None) -> Table:
    """What a decision counted with, and where it is from."""
    from rich.table import Table

    table = Table(
        title="\nTrading costs, bps of value, without gas",
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 1),
    )
    table.add_column("asset", no_wrap=True)
    for heading in ("assumed", "for USD", "fee", "impact", "trades", "realised", "counted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in expected_objects(inputs, decision):
        table.add_row(
            one["symbol"],
            _bps(one["assumed_bps"]),
            "–" if one["size_usd"] is None else f"{one['size_usd']:,.0f}",
            _bps(one["linear_bps"]),
            _bps(one["impact_bps"]),
            f"{one['trades']:,}",
            _bps(one["realised_bps"]),
            _bps(one["expected_bps"]),
        )
    return table


def expected_objects(inputs: CycleInputs, decision: Decision | None) -> list[dict[str, Any]]:
    """By asset: assumed, learned (None without a trade), what the pools' depth says for the size of the trade that was
    considered (None where it is not known, and ``source`` "assumed"), and what the decision counted with."""
    policy: Policy = inputs.policy
    symbols = inputs.snapshot.risk_symbols
    learned = {one.symbol: one for one in inputs.learned_costs}
    from_pools = {one.symbol: one for one in (decision.pool_costs if decision is not None else ())}
    found = []
    for symbol, assumed, without_pools in zip(
        symbols,
        assumed_costs_bps(policy, symbols),
        expected_costs(policy, symbols, inputs.learned_costs, curves={}),
        strict=True,
    ):
        traded, pools = learned.get(symbol), from_pools.get(symbol)
        found.append(
            {
                "symbol": symbol,
                "assumed_bps": assumed,
                "trades": traded.trades if traded is not None else 0,
                "realised_bps": traded.realised_bps if traded is not None else None,
                "fees_bps": traded.fees_bps if traded is not None else None,
                "source": "pools" if pools is not None else "assumed",
                "size_usd": pools.size_usd if pools is not None else None,
                "linear_bps": pools.linear_bps if pools is not None else None,
                "impact_bps": pools.impact_bps if pools is not None else None,
                "expected_bps": without_pools.linear_bps
                if pools is None
                else pools.linear_bps + pools.impact_bps,
            }
        )
    return found


def _bps(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"

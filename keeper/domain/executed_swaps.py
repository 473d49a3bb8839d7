"""What executed swaps returned, beside what was promised, and what is learned from that."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.plan import Route
from keeper.domain.units import BPS


@dataclass(frozen=True, slots=True)
class ExecutedSwap:
    """One swap of a mined rebalance. Amounts raw, of the token bought: ``fair_out`` at the feeds' prices without any
    cost, ``quoted_out`` by the quoter, ``simulated_out`` None where the node did not tell it. Of a swap that was asked
    for an exact output, these are what the amount that it took would have returned at those prices.

    ``value_usd`` is what was sold, at the feeds' price; ``fees_bps`` the pools' own fees; ``at`` Unix seconds of the
    block that the decision looked at."""

    sold: str
    bought: str
    route: Route
    value_usd: float
    fair_out: int
    quoted_out: int
    simulated_out: int | None
    realised_out: int
    fees_bps: float
    at: int

    @property
    def quoted_bps(self) -> float:
        """Cost against the feeds, bps of the value sold; below 0 is a gain."""
        return self._cost_bps(self.quoted_out)

    @property
    def simulated_bps(self) -> float | None:
        return None if self.simulated_out is None else self._cost_bps(self.simulated_out)

    @property
    def realised_bps(self) -> float:
        return self._cost_bps(self.realised_out)

    def _cost_bps(self, out: int) -> float:
        return (self.fair_out - out) / self.fair_out * BPS if self.fair_out > 0 else 0.0


@dataclass(frozen=True, slots=True)
class LearnedCost:
    """Trades of one asset, the newer the heavier: ``weight`` is the sum of their weights, the newest counting 1;
    ``realised_bps`` and ``fees_bps`` their weighted means, bps of the value traded, without gas."""

    symbol: str
    trades: int
    weight: float
    realised_bps: float
    fees_bps: float

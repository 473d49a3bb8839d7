"""What executed swaps returned, what was promised, and the trading costs learned from the difference."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.plan import Route
from keeper.domain.units import BPS


@dataclass(frozen=True, slots=True)
class ExecutedSwap:
    """One swap of a mined rebalance. Output amounts are raw, of the token bought.

    ``fair_out`` is at the feeds' prices without any cost, ``quoted_out`` is the quoter's, ``simulated_out`` the
    simulation's (None where the node does not report it), ``realised_out`` the transaction's. For an exact-output swap
    they are what its actual input would have returned at the respective price. ``value_usd`` is the amount sold at the
    feed's price, ``fees_bps`` the pools' fees, ``at`` the Unix second of the block that was decided on."""

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
        """Cost against the feeds' prices, bps of the value sold; negative is a gain."""
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
    """Cost of past trades of one asset. Newer trades weigh more; the newest weighs 1.

    ``weight`` is the sum of the weights. ``realised_bps`` and ``fees_bps`` are weighted means in bps of the value
    traded, without gas."""

    symbol: str
    trades: int
    weight: float
    realised_bps: float
    fees_bps: float

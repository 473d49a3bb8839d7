"""The least that swaps can lose and burn which change holdings as a plan did: gas of every pool they go through, and of
every swap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.domain.plan import StepKind
from keeper.planning.gas import HOP, PER_STEP
from tests.chain.least import DUST_USD, Curve
from tests.chain.programme import Programme, Terms

MOST_PASSES = 16
"""Through one pool one way: more than any plan here could have, and each costs gas."""
THOUSAND = 1e3


def least_swaps_usd(
    found: Sequence[Curve],
    changes: Mapping[str, float],
    cash: str,
    usd_per_gas: float,
    turnover_usd: float = math.inf,
) -> float:
    """Loss and gas of any swaps that change holdings by ``changes`` (USD by risk asset), but for swaps of less than
    DUST_USD. What enters all pools together is at most ``turnover_usd``.

    A true lower bound. Amounts are bounded as in ``least_loss``: each pool one way by its tangents, each token's
    balance by what changes. Beside them are counted, in whole numbers:

    - *Passes.* A pool that anything goes through is passed at least once, and every pass of a swap costs HOP.
    - *Swaps.* A swap is a path, and passes pools from its first token to its last. At each token, passes that leave
      less those that arrive are the swaps that begin there less those that end there: in between, a path that arrives
      leaves. Every swap begins somewhere and costs its step.
    - *Ends.* A token of which the swaps leave less begins a swap, one of which they leave more ends one. Where a token
      is not to become less, a swap that begins with it sells what another brought, so that another ends there; where it
      is not to become more, a swap that ends there brings what another sells.

    How amounts divide over the swaps through one pool is left open, and so are least outputs and the order: each could
    only make the least dearer.
    """
    tokens = sorted({curve.sell for curve in found} | {curve.buy for curve in found})
    most = 2.0 * math.fsum(abs(change) for change in changes.values()) + 10.0 * DUST_USD
    written = _Swaps(Programme(), found, most, usd_per_gas)
    written.write_pools()
    if math.isfinite(turnover_usd):
        written.programme.at_most(dict.fromkeys(written.ins, 1.0), turnover_usd / THOUSAND)
    for token in tokens:
        if token == cash:
            written.write_cash(token)
        else:
            written.write_token(token, changes.get(token, 0.0))
    return written.programme.least()


@dataclass
class _Swaps:
    """``ins`` (thousands of USD, for the solver's sake), ``losses`` (USD) and ``passes`` are variables by place of a
    curve: what comes out is what goes in less the loss, and all losses together are what NAV loses. ``most`` USD is
    more than goes through any of them."""

    programme: Programme
    found: Sequence[Curve]
    most: float
    usd_per_gas: float
    ins: tuple[int, ...] = ()
    losses: tuple[int, ...] = ()
    passes: tuple[int, ...] = ()

    def write_pools(self) -> None:
        new = self.programme.variable
        self.ins = tuple(new(0.0, self.most / THOUSAND) for _ in self.found)
        self.losses = tuple(new(1.0, self.most, least=-self.most) for _ in self.found)
        self.passes = tuple(new(HOP * self.usd_per_gas, MOST_PASSES, whole=True) for _ in self.found)
        for curve, paid, lost, passes in zip(self.found, self.ins, self.losses, self.passes, strict=True):
            for level, slope in curve.tangents:
                self.programme.at_least({lost: 1.0, paid: THOUSAND * (slope - 1.0)}, -level)
            self.programme.at_most({paid: 1.0, passes: -self.most / THOUSAND}, 0.0)

    def write_token(self, token: str, change: float) -> None:
        """What changes by less than a dollar is not traded: interest, and what swaps leave over."""
        traded = abs(change) > DUST_USD
        due = (change, change if traded else 0.0)
        self.programme.within(self._balance(token), min(due) / THOUSAND, max(due) / THOUSAND)
        begins, ends = self._swaps_of(token)
        if traded:
            self.programme.at_least({begins if change < 0.0 else ends: 1.0}, 1.0)
        if change <= DUST_USD:
            self.programme.at_least({begins: self._many, ends: -1.0}, 0.0)
        if change >= -DUST_USD:
            self.programme.at_least({ends: self._many, begins: -1.0}, 0.0)

    def write_cash(self, token: str) -> None:
        """Its balance is what the others leave; whether it is bought or sold is found with it."""
        balance = self._balance(token)
        bought, sold = (self.programme.variable(0.0, 1.0, whole=True) for _ in range(2))
        self.programme.at_most({**balance, bought: -self.most / THOUSAND}, 0.0)
        self.programme.at_least({**balance, sold: self.most / THOUSAND}, 0.0)
        self.programme.at_most({bought: 1.0, sold: 1.0}, 1.0)
        begins, ends = self._swaps_of(token)
        self.programme.at_least({ends: 1.0, bought: -1.0}, 0.0)
        self.programme.at_least({begins: 1.0, sold: -1.0}, 0.0)
        self.programme.at_least({begins: self._many, ends: -1.0, bought: self._many}, 0.0)
        self.programme.at_least({ends: self._many, begins: -1.0, sold: self._many}, 0.0)

    @property
    def _many(self) -> float:
        """More swaps than there can be."""
        return float(MOST_PASSES)

    def _balance(self, token: str) -> Terms:
        """What comes of it less what goes, in thousands of USD."""
        terms: dict[int, float] = {}
        for curve, paid, lost in zip(self.found, self.ins, self.losses, strict=True):
            if curve.buy == token:
                terms |= {paid: 1.0, lost: -1.0 / THOUSAND}
            elif curve.sell == token:
                terms[paid] = -1.0
        return terms

    def _swaps_of(self, token: str) -> tuple[int, int]:
        """Those that begin with a token, and those that end with it."""
        gas = PER_STEP[StepKind.SWAP_EXACT_IN] * self.usd_per_gas
        begins, ends = (self.programme.variable(cost, self._many, whole=True) for cost in (gas, 0.0))
        through = dict.fromkeys(self.passes, 0.0)
        for curve, passes in zip(self.found, self.passes, strict=True):
            through[passes] = float(curve.buy == token) - float(curve.sell == token)
        self.programme.within({begins: 1.0, ends: -1.0, **through}, 0.0, 0.0)
        return begins, ends

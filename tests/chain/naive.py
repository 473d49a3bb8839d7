"""What a plan's way would cost without thinking: everything through the debt asset, no flash loan, one route a trade."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from keeper.domain.decision import Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, QuoteRequest, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, WAD, raw_from_usd_floor, usd
from keeper.planning.gas import CALL, HOP, PER_STEP
from keeper.planning.netting import Trade
from keeper.planning.quotes import routes

Ask = Callable[[Sequence[QuoteRequest]], Sequence[Quote]]

MOST_ROUNDS = 40
DUST_USD = 1.0


@dataclass(frozen=True, slots=True)
class Naive:
    """``lost_usd`` to fees and price impact against the feeds; ``gas`` of one vault call with all its steps, by the
    planner's table."""

    lost_usd: float
    gas: int


def naive(decision: Decision, snapshot: MarketSnapshot, ask: Ask, *, direct: bool) -> Naive | None:
    """Sells everything that is too much for the debt asset, then buys what is missing with it; without a flash loan,
    so in rounds of as much as the vault's floor of the health factor allows. Each trade in the one best route, or with
    ``direct`` in the one best pool of both tokens. None where a trade has no pool or the rounds get nowhere.

    Quoted whole: slices of a trade move a pool just as the whole trade does, as fees do not go into the curve.
    """
    assert decision.goal is not None
    held, cash = portfolio(snapshot), snapshot.debt_token.symbol
    changes = {
        symbol: weight * held.nav_usd - value
        for symbol, weight, value in zip(held.symbols, decision.goal.weights, held.values_usd, strict=True)
    }
    lost, hops = 0.0, {}
    for symbol, change in changes.items():
        if abs(change) <= DUST_USD:
            continue
        sell, buy = (symbol, cash) if change < 0 else (cash, symbol)
        best = _best(sell, buy, abs(change), snapshot, ask, direct=direct)
        if best is None or best.amount_out is None:
            return None
        lost += usd(best.amount_in, snapshot.token(sell).decimals, snapshot.price(sell))
        lost -= usd(best.amount_out, snapshot.token(buy).decimals, snapshot.price(buy))
        hops[symbol] = len(best.route.fees)
    rounds = _Rounds.beginning(snapshot, changes, hops, lost)
    return Naive(lost, rounds.gas) if rounds.run() else None


def _best(
    sell: str, buy: str, value: float, snapshot: MarketSnapshot, ask: Ask, *, direct: bool
) -> Quote | None:
    amount = max(1, raw_from_usd_floor(value, snapshot.token(sell).decimals, snapshot.price(sell)))
    candidates = routes(Trade(sell, buy, amount, value), snapshot)
    answers = ask([QuoteRequest(one, amount) for one in candidates if not direct or len(one.fees) == 1])
    return max((one for one in answers if one.amount_out), key=lambda one: one.amount_out or 0, default=None)


@dataclass
class _Rounds:
    """USD. ``carried`` is collateral times liquidation threshold; ``floor`` the least health factor."""

    thresholds: dict[str, float]
    hops: dict[str, int]
    floor: float
    carried: float
    debt: float
    cash: float
    selling: dict[str, float]
    buying: dict[str, float]
    gas: int = field(default=CALL)

    @classmethod
    def beginning(
        cls, snapshot: MarketSnapshot, changes: dict[str, float], hops: dict[str, int], lost: float
    ) -> _Rounds:
        thresholds = {one.symbol: one.liquidation_threshold_bps / BPS for one in snapshot.reserves}
        held, floor = portfolio(snapshot), snapshot.vault.policy.min_health / WAD
        pairs = zip(held.symbols, held.values_usd, strict=True)
        return cls(
            thresholds=thresholds,
            hops=hops,
            floor=min(floor, held.health_factor),
            carried=math.fsum(thresholds[symbol] * value for symbol, value in pairs),
            debt=held.debt_usd,
            cash=held.cash_usd - lost,
            selling={symbol: -change for symbol, change in changes.items() if change < -DUST_USD},
            buying={symbol: change for symbol, change in changes.items() if change > DUST_USD},
        )

    def run(self) -> bool:
        """Whether it ends."""
        for _ in range(MOST_ROUNDS):
            self._sell()
            if self.selling and not self._repay():
                return False
            if self.selling:
                continue
            self._buy()
            if not self.buying:
                self._repay()
                return True
            if not self._borrow():
                return False
        return False

    def _sell(self) -> None:
        for symbol, wanted in list(self.selling.items()):
            free = (self.carried - self.floor * self.debt) / self.thresholds[symbol]
            part = wanted if self.debt <= DUST_USD else min(wanted, free)
            if part >= min(DUST_USD, wanted):
                self.gas += PER_STEP[StepKind.WITHDRAW] + self._swap(symbol)
                self.carried -= self.thresholds[symbol] * part
                self.cash += part
                _lower(self.selling, symbol, part)

    def _buy(self) -> None:
        for symbol, wanted in list(self.buying.items()):
            part = min(wanted, self.cash)
            if part >= min(DUST_USD, wanted):
                self.gas += self._swap(symbol) + PER_STEP[StepKind.SUPPLY]
                self.carried += self.thresholds[symbol] * part
                self.cash -= part
                _lower(self.buying, symbol, part)

    def _repay(self) -> bool:
        part = min(self.cash, self.debt)
        if part <= DUST_USD:
            return False
        self.gas += PER_STEP[StepKind.REPAY]
        self.cash, self.debt = self.cash - part, self.debt - part
        return True

    def _borrow(self) -> bool:
        part = min(math.fsum(self.buying.values()) - self.cash, self.carried / self.floor - self.debt)
        if part <= DUST_USD:
            return False
        self.gas += PER_STEP[StepKind.BORROW]
        self.cash, self.debt = self.cash + part, self.debt + part
        return True

    def _swap(self, symbol: str) -> int:
        return PER_STEP[StepKind.SWAP_EXACT_IN] + HOP * self.hops[symbol]


def _lower(left: dict[str, float], symbol: str, part: float) -> None:
    left[symbol] -= part
    if left[symbol] <= DUST_USD:
        del left[symbol]

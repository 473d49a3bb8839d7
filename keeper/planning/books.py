"""What the vault has while a plan's steps are written one after the other, and what its collateral still allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import BPS, UINT256_MAX
from keeper.planning.collateral import MARGIN as EXACT_MARGIN
from keeper.planning.flash import move, worth_supplying
from keeper.planning.funding import interest

MARGIN = float(EXACT_MARGIN)


@dataclass
class Books:
    """Raw by symbol; swaps count at their least, and ``expected`` is what they should bring besides. No step leaves a
    health factor below ``least``. ``owed`` has the ``interest`` until the transaction is mined in it: a crumb of debt
    beside no collateral has a health factor of 0. ``carries`` and ``lends``: the market's value of one raw unit, times
    liquidation threshold and loan to value; ``debt_price`` that of the debt asset. ``moved`` is how collateral
    changes."""

    snapshot: MarketSnapshot
    least: float
    idle: dict[str, int]
    supplied: dict[str, int]
    owed: int
    interest: int
    carries: dict[str, float]
    lends: dict[str, float]
    debt_price: float
    steps: list[Step] = field(default_factory=list)
    moved: dict[str, int] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    borrowed: int = 0
    repaid: int = 0

    @classmethod
    def of(cls, snapshot: MarketSnapshot, flash: int, least: float) -> Books:
        """With a flash loan of ``flash`` raw just received."""
        priced = [
            (reserve, reserve.market_price / 10**token.decimals)
            for token, reserve in zip(snapshot.tokens, snapshot.reserves, strict=True)
        ]
        idle = {holding.symbol: holding.idle for holding in snapshot.holdings}
        idle[snapshot.debt_token.symbol] += flash
        owed = snapshot.holdings[0].owed
        return cls(
            snapshot=snapshot,
            least=least,
            idle=idle,
            supplied={holding.symbol: holding.supplied for holding in snapshot.holdings},
            owed=owed + interest(owed),
            interest=interest(owed),
            carries={one.symbol: price * one.liquidation_threshold_bps / BPS for one, price in priced},
            lends={one.symbol: price * one.ltv_bps / BPS for one, price in priced},
            debt_price=priced[0][1],
        )

    @property
    def cash(self) -> str:
        return self.snapshot.debt_token.symbol

    # ------------------------------------------------------------ what is allowed

    def free(self, symbol: str) -> int:
        """What may be withdrawn now."""
        there = self.supplied[symbol]
        weighs = there * self.carries[symbol]
        spare = self.carried() - self.least * self.owed * self.debt_price
        if self.owed == 0 or weighs == 0.0 or spare * MARGIN >= weighs:
            return there
        return max(0, math.floor(there * (spare * MARGIN / weighs)))

    def room(self) -> int:
        """What may be borrowed now."""
        lent = math.fsum(amount * self.lends[symbol] for symbol, amount in self.supplied.items())
        most = min(self.carried() / self.least, lent) / self.debt_price
        return max(0, math.floor(MARGIN * most) - self.owed)

    def due_beside(self, leaves: float) -> int:
        """What must be repaid before collateral that carries ``leaves`` can leave."""
        stays = max(0.0, self.carried() - leaves / MARGIN**2)
        return max(0, self.owed - math.floor(stays / (self.least * self.debt_price)))

    def carried(self) -> float:
        return math.fsum(amount * self.carries[symbol] for symbol, amount in self.supplied.items())

    def _has_no_ltv(self, symbol: str) -> bool:
        return self.lends[symbol] == 0.0 and self.carries[symbol] > 0.0

    # --------------------------------------------------------------------- steps

    def swap(self, step: Step, min_in: int) -> None:
        """``min_in`` is what it certainly takes."""
        assert step.route is not None
        bought = step.route.symbols[-1]
        self.steps.append(step)
        self.idle[step.symbol] -= min_in
        if step.amount == UINT256_MAX:
            self.expected.pop(step.symbol, None)
        self.idle[bought] += step.limit
        self.expected[bought] = self.expected.get(bought, 0) + step.expected_out - step.limit

    def withdraw(self, symbol: str, amount: int) -> None:
        """Raises NothingFeasible beside debt and collateral of LTV 0, which leaves before any other (Aave
        ValidationLogic.validateHFAndLtvzero)."""
        first = [other for other, there in self.supplied.items() if there and self._has_no_ltv(other)]
        if self.owed and first and symbol not in first:
            raise NothingFeasible(
                f"withdrawing {symbol}: {', '.join(first)} has LTV 0 and must leave first",
                remedy="Sell it whole, or wait until the lending market gives a flash loan.",
            )
        step = move(StepKind.WITHDRAW, symbol, amount, paid=False)
        # Interest until the transaction is mined must not stay behind.
        whole = symbol in first and amount == self.supplied[symbol]
        self.steps.append(replace(step, amount=UINT256_MAX) if whole else step)
        self.supplied[symbol] -= amount
        self.moved[symbol] = self.moved.get(symbol, 0) - amount
        self.idle[symbol] += amount

    def supply(self, symbol: str) -> None:
        """All that is there and was bought; of what nobody bought only what is worth it. Raises NothingFeasible where
        what was bought is there only if swaps return more than their least: the market takes no supply of nothing."""
        amount = self.idle[symbol]
        expected = amount + self.expected.get(symbol, 0)
        bought = symbol in self.expected
        if expected <= 0 or not (bought or worth_supplying(expected, symbol, self.snapshot)):
            return
        if amount <= 0:
            raise NothingFeasible(
                f"supplying {symbol}: where every swap returns its least nothing is left of it",
                remedy="Allow less slippage, or lower max_trade so that less moves at once.",
            )
        self.steps.append(Step(StepKind.SUPPLY, symbol, UINT256_MAX, 0, None, expected, 0))
        self.moved[symbol] = self.moved.get(symbol, 0) + expected
        self.supplied[symbol] += amount
        self.idle[symbol] = 0
        self.expected.pop(symbol, None)

    def borrow(self, amount: int) -> None:
        self.steps.append(move(StepKind.BORROW, self.cash, amount, paid=False))
        self.owed, self.borrowed = self.owed + amount, self.borrowed + amount
        self.idle[self.cash] += amount

    def repay(self, available: int) -> None:
        """All of the debt where its interest can be paid as well."""
        amount = min(self.owed - self.interest, available)
        if amount <= 0:
            return
        repay = move(StepKind.REPAY, self.cash, amount, paid=True)
        self.repaid += amount
        if available >= self.owed:
            self.steps.append(replace(repay, amount=UINT256_MAX))
            self.idle[self.cash] -= self.owed
            self.owed = self.interest = 0
        else:
            self.steps.append(repay)
            self.idle[self.cash] -= amount
            self.owed -= amount

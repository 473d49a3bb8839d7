"""The vault in exact integers: carries out a plan's steps as the vault does, with fills that the test chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from keeper.domain.decision import Action, Decision, Goal, RiskPosition
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan, Step, StepKind
from keeper.domain.units import BPS, UINT256_MAX, usd
from keeper.domain.urgency import Urgency

LEAST_REPAYMENT = 10
"""Raw. Aave's ScaledBalanceTokenBase reverts where a repayment burns no scaled unit, rounded down."""

Fill = Callable[[Step], int]


def at_its_limit(step: Step) -> int:
    return step.limit


def as_quoted(step: Step) -> int:
    return step.expected_out


@dataclass
class Ledger:
    """What the vault has and owes, raw. ``lowest_health_factor`` is the least seen when collateral left."""

    snapshot: MarketSnapshot
    idle: dict[str, int] = field(default_factory=dict)
    supplied: dict[str, int] = field(default_factory=dict)
    debt: int = 0
    lendable: int = 0
    lowest_health_factor: float = float("inf")
    sold_usd: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for holding in self.snapshot.holdings:
            self.idle[holding.symbol] = holding.idle
            self.supplied[holding.symbol] = holding.supplied
        self.debt = self.snapshot.holdings[0].owed
        self.lendable = self.snapshot.reserves[0].available

    def run(self, plan: RebalancePlan, fill: Fill) -> None:
        """Raises AssertionError as soon as a balance would be negative or the pool would refuse."""
        cash = self.snapshot.debt_token.symbol
        assert plan.flash_amount <= self.lendable
        self.lendable -= plan.flash_amount
        self.idle[cash] += plan.flash_amount
        for step in plan.steps:
            self._do(step, fill)
        premium = -(-plan.flash_amount * self.snapshot.flash_premium_bps // BPS)
        self._pay(cash, plan.flash_amount + premium)

    def _do(self, step: Step, fill: Fill) -> None:
        symbol = step.symbol
        if step.kind is StepKind.SUPPLY:
            amount = self.idle[symbol] if step.amount == UINT256_MAX else step.amount
            assert amount > 0
            assert self.supplied[symbol] or self.snapshot.reserve(symbol).ltv_bps, "cannot become collateral"
            self._pay(symbol, amount)
            self.supplied[symbol] += amount
        elif step.kind is StepKind.WITHDRAW:
            amount = self.supplied[symbol] if step.amount == UINT256_MAX else step.amount
            assert 0 < amount <= self.supplied[symbol]
            self.supplied[symbol] -= amount
            self.idle[symbol] += amount
            self.lowest_health_factor = min(self.lowest_health_factor, self.health_factor())
            assert self.health_factor() >= 1.0
            assert (
                not self.debt or not self._ltv_zero_collateral() or not self.snapshot.reserve(symbol).ltv_bps
            )
        elif step.kind is StepKind.BORROW:
            assert step.amount <= self.lendable
            self.lendable -= step.amount
            self.debt += step.amount
            self.idle[symbol] += step.amount
            assert self._debt_usd() <= self._collateral_usd("ltv_bps")
        elif step.kind is StepKind.REPAY:
            amount = min(self.debt, self.idle[symbol]) if step.amount == UINT256_MAX else step.amount
            assert min(self.debt, LEAST_REPAYMENT) <= amount <= self.debt
            self._pay(symbol, amount)
            self.debt -= amount
            self.lendable += amount
        else:
            assert step.route is not None
            if step.kind is StepKind.SWAP_EXACT_OUT:
                self._pay(step.route.symbols[0], step.limit if fill is at_its_limit else step.expected_in)
                self.idle[symbol] += step.amount
                return
            self._pay(symbol, self.idle[symbol] if step.amount == UINT256_MAX else step.amount)
            received = fill(step)
            assert received >= step.limit
            self.idle[step.route.symbols[-1]] += received

    def _pay(self, symbol: str, amount: int) -> None:
        assert self.idle[symbol] >= amount, f"{symbol}: {self.idle[symbol]} there, {amount} needed"
        self.idle[symbol] -= amount

    def health_factor(self) -> float:
        owed = self._debt_usd()
        return self._collateral_usd("liquidation_threshold_bps") / owed if owed else float("inf")

    def nav_usd(self) -> float:
        return sum(self.value_usd(token.symbol) for token in self.snapshot.tokens) - self._debt_usd()

    def value_usd(self, symbol: str) -> float:
        amount = self.idle[symbol] + self.supplied[symbol]
        return usd(amount, self.snapshot.token(symbol).decimals, self.snapshot.price(symbol))

    def weights(self) -> tuple[float, ...]:
        return tuple(self.value_usd(symbol) / self.nav_usd() for symbol in self.snapshot.risk_symbols)

    def _ltv_zero_collateral(self) -> bool:
        return any(self.supplied[one.symbol] and not one.ltv_bps for one in self.snapshot.reserves)

    def _debt_usd(self) -> float:
        return usd(self.debt, self.snapshot.debt_token.decimals, self.snapshot.price("USDC"))

    def _collateral_usd(self, share: str) -> float:
        return sum(
            usd(self.supplied[token.symbol], token.decimals, reserve.market_price)
            * float(getattr(reserve, share))
            / BPS
            for token, reserve in zip(self.snapshot.tokens, self.snapshot.reserves, strict=True)
        )


def a_decision(
    snapshot: MarketSnapshot,
    weights: tuple[float, ...],
    action: Action = Action.REBALANCE,
    urgency: Urgency = Urgency.OUT_OF_BAND,
    benefit_usd: float = 1e9,
) -> Decision:
    """To trade to ``weights``, for whatever reason."""
    return Decision(
        action=action,
        urgency=urgency,
        reason="",
        gates=(),
        current=RiskPosition(weights, tuple(0.0 for _ in weights), 0.0),
        goal=Goal(snapshot.risk_symbols, weights, sum(weights)),
        benefit_usd=benefit_usd,
        expected_cost_usd=0.0,
        remaining=0.0,
        exit_code=0,
        pool_costs=(),
    )


def a_quote(request: QuoteRequest, snapshot: MarketSnapshot, impact_bps: int = 10) -> Quote:
    """The oracle's price, less the pools' fees and ``impact_bps``."""
    sold, bought = request.route.symbols[0], request.route.symbols[-1]
    out = request.amount_in * snapshot.price(sold) * 10 ** snapshot.token(bought).decimals
    out //= snapshot.price(bought) * 10 ** snapshot.token(sold).decimals
    for fee in request.route.fees:
        out = out * (1_000_000 - fee) // 1_000_000
    return Quote(request.route, request.amount_in, out * (BPS - impact_bps) // BPS, 120_000)

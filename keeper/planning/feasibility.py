"""Whether the lending market and the vault accept a candidate plan, known before anything is simulated.

The vault checks the health factor at the end of its call. Aave checks it at each withdrawal and borrowing. Both are
foreseen here step by step, at the worst fills.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.accounts import accounts, showing
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import BPS, WAD, health_factor_of, to_float
from keeper.lending.book import LendingBook
from keeper.oracle.vault_rules import call_limits, counted_loss_usd, levering_closed_s
from keeper.planning.candidates import (
    Books,
    CandidatePlan,
    changed_places,
    expected_books,
    expected_state,
    net_changes,
    place_of_lowest,
)
from keeper.planning.context import PlanningContext
from keeper.planning.gas import gas_limit_for, gas_of, max_gas, sent_gas
from keeper.planning.min_health_factor import at_end
from keeper.planning.turnover import counted_usd, turnover_left_usd

WAIT = "Wait until the lending market opens it again, or leave the asset out."
SMALLER = "Lower max_trade or max_leverage, or wait until the lending market has liquidity again."
ENABLE = "Have the vault's admin list it anew, or leave the asset out."
NOISE = 1e-9
"""Relative, of a limit that is aimed at exactly."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    reason: str
    remedy: str


def require_feasible(candidate: CandidatePlan, context: PlanningContext) -> None:
    """Raises NothingFeasible naming the first step that reverts, and the remedy."""
    _require_flash_loan(candidate.flash, context)
    places = changed_places(candidate, context)
    books = context.books(places, candidate.flash, mined=True)
    runs: dict[int, _Run] = {}
    for place in places:
        runs[place] = _Run(context.at(place), books[place], candidate.flash, runs=runs)
    shown = runs[context.snapshot.venue.place]
    for place, step in enumerate(candidate.steps, start=1):
        run = shown if step.route is not None else runs[step.account]
        run.take(step, f"step {place}, {step.kind.value} of {step.symbol}")
    shown.require_loan_repaid(candidate.flash + candidate.premium)


def require_gas(candidate: CandidatePlan, context: PlanningContext) -> None:
    """Raises NothingFeasible where the call needs more gas than a transaction may have."""
    policy, block = context.policy.plan, context.snapshot.block
    gas = sent_gas(gas_of(candidate.steps, candidate.flash), by_safe=bool(context.snapshot.acts_as))
    needed = gas_limit_for(gas, policy.gas_limit_margin)
    available = max_gas(block, policy)
    if needed > available:
        raise NothingFeasible(
            f"{len(candidate.steps)} steps take {needed:,} gas, a transaction may have {available:,} at "
            f"{block.base_fee_wei / 1e9:.1f} gwei",
            remedy="Lower max_trade so that less moves at once, or raise plan.max_fee_eth if your nodes allow it.",
        )


def require_within_limits(candidate: CandidatePlan, context: PlanningContext) -> None:
    """What the vault checks after the steps (Rebalancer.sol), and the settings' floor of the health factor, where all
    swaps fill at their quotes. Raises NothingFeasible."""
    expected, books = expected_state(candidate, context), expected_books(candidate, context)
    book = books[context.snapshot.venue.place]
    _require_loss(books, context)
    _require_turnover(candidate, context)
    if context.vault_emergency:
        target = context.snapshot.vault.policy.target_health / WAD
        if book.health_factor() > target:
            _refuse_end(
                f"a health factor of {book.health_factor():.3f}, above the vault's target {target:.3f}"
            )
    if context.deleverages:
        return
    vault = context.snapshot.vault
    before = {account.venue.place: account.account.health_factor for account in accounts(context.snapshot)}
    for place, changed in books.items():
        floor = at_end(health_factor_of(before[place]), context.snapshot, context.policy)
        if changed.health_factor() < floor:
            _refuse_end(f"a health factor of {changed.health_factor():.3f}, and the floor is {floor:.3f}")
    if expected.health_factor < vault.policy.min_health / WAD:
        place = place_of_lowest(context.snapshot, expected)
        _refuse_end(
            f"a health factor of {expected.health_factor:.3f} in account {place}, which it leaves alone, and the "
            f"vault's floor is {vault.policy.min_health / WAD:.3f}"
        )
    bought = net_changes(books, context.snapshot)
    capped = [("leverage", expected.leverage, vault.policy.max_leverage / WAD)]
    # The vault holds only what the call bought against its weight.
    capped += [
        (f"weight of {symbol}", weight, vault.asset(symbol).max_weight_bps / BPS)
        for symbol, weight in zip(context.snapshot.risk_symbols, expected.weights, strict=True)
        if bought[symbol] > 0
    ]
    for name, value, cap in capped:
        if value > cap * (1.0 + NOISE):
            _refuse_end(f"a {name} of {value:.3f}, and the vault's cap is {cap:g}")


def _require_loss(books: Books, context: PlanningContext) -> None:
    snapshot, lowering = context.snapshot, context.deleverages
    loss = counted_loss_usd(net_changes(books, snapshot), snapshot, lowering=lowering)
    if context.vault_emergency:
        policy = snapshot.vault.policy
        owed = books[snapshot.venue.place].owed
        repaid = snapshot.value_usd(context.cash, snapshot.holdings[0].owed - owed)
        whole, allowed, of = repaid, float(policy.emergency_loss_bps), "the debt that it repays"
    else:
        whole, of = context.held.nav_usd, "NAV"
        allowed = call_limits(snapshot, lowering=lowering).loss * BPS
    if loss > whole * allowed / BPS:
        raise NothingFeasible(
            f"at the quoted prices the plan loses {loss / max(whole, NOISE) * BPS:.1f} bps of {of} by the vault's "
            f"count, and the vault allows {allowed:.1f}",
            remedy="Raise decision.trade_cost_bps to what trades cost here, so that a cycle goes less far, or wait "
            "until the losses of the last 24 hours are over.",
        )


def _refuse_end(state: str) -> None:
    raise NothingFeasible(
        f"the plan ends at {state}", remedy="Lower max_leverage, or deleverage by hand (keeper deleverage)."
    )


def _require_turnover(candidate: CandidatePlan, context: PlanningContext) -> None:
    sold, left, nav_usd = counted_usd(candidate.fills), turnover_left_usd(context), context.held.nav_usd
    if sold > left:
        raise NothingFeasible(
            f"the plan's swaps sell {sold / nav_usd:.3f} NAVs, and the vault allows {left / nav_usd:.3f} now",
            remedy="Lower max_trade, or wait until the turnover of the last 24 hours is over.",
        )


# ------------------------------------------------------------------- one reserve


def supply_obstacle(symbol: str, amount: int, snapshot: MarketSnapshot) -> Obstacle | None:
    """Why ``amount`` raw cannot become collateral (Aave ValidationLogic.validateSupply). None if it can."""
    reserve, token = snapshot.reserve(symbol), snapshot.token(symbol)
    closed = _closed(symbol, snapshot) or _frozen(symbol, snapshot) or _disabled(symbol, snapshot)
    if closed:
        return closed
    if reserve.ltv_bps == 0:
        return Obstacle("its loan to value is 0, and nothing else could be withdrawn beside it", WAIT)
    if reserve.supply_cap and reserve.supplied + amount > reserve.supply_cap * 10**token.decimals:
        return Obstacle(f"its reserve is at its supply cap of {reserve.supply_cap:,}", SMALLER)
    return None


def worth_supplying(idle: int, symbol: str, snapshot: MarketSnapshot) -> bool:
    """More than a dollar that vault and lending market take. Anybody can send the vault tokens, and such tokens must
    not make a plan fail."""
    return snapshot.value_usd(symbol, idle) > 1.0 and supply_obstacle(symbol, idle, snapshot) is None


def withdraw_obstacle(symbol: str, amount: int, snapshot: MarketSnapshot) -> Obstacle | None:
    """Why ``amount`` raw of collateral cannot leave. None if it can. Collateral can leave a frozen reserve."""
    closed = _closed(symbol, snapshot)
    if closed:
        return closed
    free = snapshot.reserve(symbol).available
    if amount > free:
        has = f"{to_float(free, snapshot.token(symbol).decimals):,.4g}"
        return Obstacle(f"its reserve has {has} that is not lent out", SMALLER)
    return None


def refuse_if(what: str, obstacle: Obstacle | None) -> None:
    if obstacle is not None:
        raise NothingFeasible(f"{what}: {obstacle.reason}", remedy=obstacle.remedy)


def _closed(symbol: str, snapshot: MarketSnapshot) -> Obstacle | None:
    reserve = snapshot.reserve(symbol)
    if reserve.paused:
        return Obstacle("its reserve is paused", WAIT)
    return None if reserve.active else Obstacle("its reserve is not active", WAIT)


def _frozen(symbol: str, snapshot: MarketSnapshot) -> Obstacle | None:
    return Obstacle("its reserve is frozen", WAIT) if snapshot.reserve(symbol).frozen else None


def _disabled(symbol: str, snapshot: MarketSnapshot) -> Obstacle | None:
    return None if snapshot.vault.asset(symbol).enabled else Obstacle("the vault has it disabled", ENABLE)


def _require_flash_loan(flash: int, context: PlanningContext) -> None:
    """Aave ValidationLogic.validateFlashloanSimple. Morpho lends what it has."""
    if not flash:
        return
    snapshot = showing(context.snapshot, context.lender.account)
    reserve, token = snapshot.reserves[0], snapshot.debt_token
    obstacle = _closed(token.symbol, snapshot)
    if not obstacle and not reserve.flash_loan_enabled:
        obstacle = Obstacle("its reserve gives none", WAIT)
    if not obstacle and flash > reserve.available:
        has = f"{to_float(reserve.available, token.decimals):,.0f}"
        obstacle = Obstacle(f"its reserve has {has} to lend", SMALLER)
    refuse_if(f"flash loan of {token.symbol}", obstacle)


# ---------------------------------------------------------------- step after step


@dataclass(slots=True)
class _Run:
    """The book as the steps go by. Aave FlashLoanLogic takes a flash loan out of what the reserve can lend. ``runs``
    are those of all accounts: what one takes from a market is missing to the others on it."""

    context: PlanningContext
    book: LendingBook
    flash: int
    runs: Mapping[int, _Run]

    def take(self, step: Step, name: str) -> None:
        refuse_if(f"{step.kind.value} of {step.symbol}", self._obstacle(step))
        self.book.apply(step)
        missing = self.book.overdrawn()
        if missing:
            amount = to_float(missing, self.context.snapshot.token(step.symbol).decimals)
            raise NothingFeasible(
                f"{name}: {amount:,.6g} more than there is when swaps fill at their limits",
                remedy="Lower max_trade so that less moves at once, or allow less slippage.",
            )
        if step.kind in (StepKind.WITHDRAW, StepKind.BORROW):
            # No other step lowers the health factor.
            self._require_health_factor(name)
        if step.kind is StepKind.BORROW:
            refuse_if(f"BORROW of {step.symbol}", self._capacity_obstacle())

    def require_loan_repaid(self, due: int) -> None:
        """And what the vault reserves for redemptions left."""
        token, reserved = self.context.snapshot.debt_token, self.context.reserved
        missing = due - self.book.idle[token.symbol]
        if 0 < missing + reserved <= reserved:
            raise NothingFeasible(
                f"{to_float(missing + reserved, token.decimals):,.6g} {token.symbol} of the cash that the vault "
                "reserves for redemptions would be spent",
                remedy="Wait until the redemptions are settled, or lower max_trade.",
            )
        if missing > 0:
            raise NothingFeasible(
                f"{to_float(missing, token.decimals):,.6g} {token.symbol} are missing to repay the flash loan",
                remedy="Lower max_trade so that less moves at once, or allow less slippage.",
            )

    def _obstacle(self, step: Step) -> Obstacle | None:
        snapshot = self.context.snapshot
        if step.route is not None:
            bought = step.route.symbols[-1]
            refuse_if(f"buying {bought}", _disabled(bought, snapshot))
        elif step.kind is StepKind.SUPPLY:
            return supply_obstacle(
                step.symbol, step.expected_in + self._supplied_so_far(step.symbol), snapshot
            )
        elif step.kind is StepKind.WITHDRAW:
            return withdraw_obstacle(
                step.symbol, step.expected_out - self._supplied_so_far(step.symbol), snapshot
            )
        elif step.kind is StepKind.REPAY:
            return _closed(step.symbol, snapshot)
        elif step.kind is StepKind.BORROW:
            return self._borrow_obstacle(step.amount)
        return None

    def _supplied_so_far(self, symbol: str) -> int:
        """By the steps before, below 0 where they withdrew: the reserve sees all of them together. On Morpho collateral
        is lent to nobody, so each account has its own."""
        runs = self._on_this_market() if self.context.snapshot.venue.market is None else (self,)
        return sum(run.book.supplied[symbol] - run.context.snapshot.holding(symbol).supplied for run in runs)

    def _borrowed_so_far(self) -> int:
        """By the steps before, with the interest until the call is mined; below 0 where they repaid."""
        return sum(run.book.owed - run.context.snapshot.holdings[0].owed for run in self._on_this_market())

    def _on_this_market(self) -> tuple[_Run, ...]:
        """With this one. Accounts on Aave are all on the first one's pool."""
        market = self.context.snapshot.venue.market
        return tuple(run for run in self.runs.values() if run.context.snapshot.venue.market == market)

    def _borrow_obstacle(self, amount: int) -> Obstacle | None:
        """Aave ValidationLogic.validateBorrow."""
        snapshot = self.context.snapshot
        reserve, token = snapshot.reserves[0], snapshot.debt_token
        closed = _closed(token.symbol, snapshot) or _frozen(token.symbol, snapshot)
        if closed:
            return closed
        if not snapshot.vault.asset(token.symbol).borrowable:
            return Obstacle("the vault does not let it be borrowed", ENABLE)
        closed_s = levering_closed_s(snapshot)
        if closed_s:
            return Obstacle(f"after an emergency the vault borrows nothing for {closed_s:,} s more", WAIT)
        if not reserve.borrowing_enabled:
            return Obstacle("it cannot be borrowed now", WAIT)
        more = self._borrowed_so_far()
        if reserve.borrow_cap and reserve.borrowed + more + amount > reserve.borrow_cap * 10**token.decimals:
            return Obstacle(f"its reserve is at its borrow cap of {reserve.borrow_cap:,}", SMALLER)
        lender = showing(snapshot, self.context.lender.account)
        lent = self.flash if lender.venue.market == snapshot.venue.market else 0
        free = reserve.available - lent - more
        if amount > free:
            has = f"{to_float(max(0, free), token.decimals):,.0f}"
            return Obstacle(f"its reserve has {has} to lend beside the flash loan", SMALLER)
        return None

    def _capacity_obstacle(self) -> Obstacle | None:
        """Aave ValidationLogic.validateHFAndLtv."""
        capacity = self.book.venue.borrowing_capacity(self.book.supplied)
        if self.book.owed <= capacity:
            return None
        has = f"{to_float(capacity, self.context.snapshot.debt_token.decimals):,.0f}"
        return Obstacle(f"the collateral carries a debt of {has} by its loan-to-value", SMALLER)

    def _require_health_factor(self, name: str) -> None:
        minimum = self.context.min_health_factor.enforced
        factor = self.book.health_factor()
        if factor < minimum * (1.0 - NOISE):
            raise NothingFeasible(
                f"{name} would leave a health factor of {factor:.3f} on the way, at least {minimum:.3f}",
                remedy="Lower max_trade so that less moves at once, or deposit cash into the vault.",
            )

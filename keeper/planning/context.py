"""What every candidate plan of one decision has in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from keeper.domain.accounts import showing
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.placement import Placement
from keeper.domain.plan import VaultCall
from keeper.domain.policy import Policy
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.units import raw_from_usd_ceil, raw_from_usd_floor
from keeper.lending.book import LendingBook
from keeper.lending.flash_lender import FlashLender, flash_lender
from keeper.lending.venue import LendingVenue
from keeper.lending.venues import venue_of
from keeper.oracle.vault_rules import emergency_aim, in_emergency, reserved_cash
from keeper.planning import min_health_factor
from keeper.planning.calls import calls_of, seen_by_call
from keeper.planning.fills import SwapTerms
from keeper.planning.gas import swap_costs
from keeper.planning.min_health_factor import MinHealthFactor
from keeper.sizing.redemptions import queued_share


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """``snapshot`` shows the account that the call changes. ``cash`` is the symbol of the debt token. ``idle_buffer``
    stays idle after the call, ``queued`` is what redemptions wait for, of which the vault itself keeps ``reserved``
    idle, and nothing is borrowed or repaid for ``dust``: raw of the debt token. ``min_health_factor`` holds between two
    steps. ``placement`` is the decision's, for a call that may change several accounts."""

    snapshot: MarketSnapshot
    policy: Policy
    emergency: bool
    sells_only: bool
    call: VaultCall
    held: Portfolio
    venue: LendingVenue
    lender: FlashLender
    cash: str
    swap_terms: SwapTerms
    idle_buffer: int
    queued: int
    reserved: int
    dust: int
    min_health_factor: MinHealthFactor
    placement: Placement | None = None

    @property
    def deleverages(self) -> bool:
        """The vault's ``deleverage`` only withdraws, sells into the debt token and repays."""
        return self.call is VaultCall.DELEVERAGE

    @property
    def vault_emergency(self) -> bool:
        """The call spends the vault's emergency budget: its loss is bounded by the debt that it repays."""
        return self.deleverages and in_emergency(self.snapshot)

    def of_sales_alone(self) -> PlanningContext:
        """For sales without the purchases. Nothing is borrowed for the idle buffer, so of it stays what is idle now."""
        idle_buffer = min(self.idle_buffer, self.snapshot.holdings[0].idle)
        return replace(self, sells_only=True, idle_buffer=idle_buffer)

    def repayable(self, supplied: Mapping[str, int], owed: int) -> int:
        """Raw of a debt of ``owed`` that the end of the call may repay with ``supplied`` as collateral. An emergency
        call of the vault may not end above its target, even if it is mined before any interest accrues."""
        if not self.vault_emergency:
            return owed
        interest = self.venue.interest_until_mined(self.snapshot.holdings[0].owed)
        return max(0, owed - interest - self.venue.debt_at(supplied, emergency_aim(self.snapshot)))

    def repayment_of(self, spare: int, owed: int) -> int:
        """Raw that ``spare`` cash repays of a debt of ``owed``: nothing for dust, unless it ends the debt of a
        deleverage. The lending market reverts where a single unit repays, and anybody can send the vault one."""
        ends_debt = self.deleverages and spare >= owed
        return min(spare, owed) if spare > self.dust or ends_debt else 0

    def book(self, flash: int = 0) -> LendingBook:
        """As the call begins, in the worst case."""
        return LendingBook.when_mined(self.snapshot, self.venue, flash)

    def at(self, place: int) -> PlanningContext:
        """For the steps of another account."""
        if place == self.snapshot.venue.place:
            return self
        snapshot = showing(self.snapshot, place)
        venue = venue_of(snapshot)
        book = LendingBook.when_mined(snapshot, venue)
        minimum = min_health_factor.of_rebalance(snapshot.vault.policy.min_health, book)
        return replace(self, snapshot=snapshot, venue=venue, min_health_factor=minimum)

    def books(self, places: Collection[int], flash: int = 0, *, mined: bool) -> dict[int, LendingBook]:
        """Of these accounts and of the one that the snapshot shows, in the vault's order. What is idle is the same for
        all. ``mined``: in the worst case, else as the block has it."""
        make = LendingBook.when_mined if mined else LendingBook.at_block
        shown = make(self.snapshot, self.venue, flash)
        books = {self.snapshot.venue.place: shown}
        for place in places:
            if place not in books:
                other = self.at(place)
                books[place] = make(other.snapshot, other.venue)
                books[place].idle = shown.idle
        return dict(sorted(books.items()))


def planning_context(
    decision: Decision, snapshot: MarketSnapshot, policy: Policy, call: VaultCall | None = None
) -> PlanningContext:
    """Of the first of the decision's calls, unless ``call`` names another. A deleverage keeps no idle buffer: all that
    it sells repays debt."""
    call = call or calls_of(decision, snapshot)[0]
    deleverages = call is VaultCall.DELEVERAGE
    snapshot = seen_by_call(call, decision, snapshot, dust_usd=policy.plan.dust_usd)
    price, decimals = snapshot.price(snapshot.debt_token.symbol), snapshot.debt_token.decimals
    venue = venue_of(snapshot)
    book = LendingBook.when_mined(snapshot, venue)
    context = PlanningContext(
        snapshot=snapshot,
        policy=policy,
        emergency=decision.action is Action.RIPCORD,
        sells_only=False,
        call=call,
        held=portfolio(snapshot),
        venue=venue,
        lender=flash_lender(snapshot),
        cash=venue.debt_symbol,
        swap_terms=SwapTerms(
            snapshot=snapshot,
            max_slippage_bps=policy.decision.at(decision.urgency).max_slippage_bps,
            costs=swap_costs(snapshot, policy.plan.gas_usd_price_symbol),
            lowering=deleverages,
        ),
        idle_buffer=0 if deleverages else buffer_of(snapshot, policy),
        queued=snapshot.redemptions.value,
        reserved=reserved_cash(snapshot, lowering=deleverages),
        dust=raw_from_usd_floor(policy.plan.dust_usd, decimals, price) if price > 0 else 0,
        min_health_factor=min_health_factor.of_emergency(flash_loan=True)
        if deleverages
        else min_health_factor.of_rebalance(snapshot.vault.policy.min_health, book),
        placement=None if deleverages else decision.placement,
    )
    return context.of_sales_alone() if decision.sells_only else context


def buffer_of(snapshot: MarketSnapshot, policy: Policy) -> int:
    """The part of what stays in the vault that is kept idle, raw of the debt token, rounded up."""
    nav_usd = portfolio(snapshot).nav_usd
    stays_usd = max(0.0, nav_usd * (1.0 - queued_share(snapshot, nav_usd)))
    return raw_from_usd_ceil(
        stays_usd * policy.size.idle_buffer,
        snapshot.debt_token.decimals,
        snapshot.price(snapshot.debt_token.symbol),
    )

"""What every candidate plan of one decision has in common."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.units import raw_from_usd_ceil, raw_from_usd_floor
from keeper.lending.aave import AaveV3
from keeper.lending.book import LendingBook
from keeper.lending.venue import LendingVenue
from keeper.planning import min_health_factor
from keeper.planning.fills import SwapTerms
from keeper.planning.gas import swap_costs
from keeper.planning.min_health_factor import MinHealthFactor
from keeper.sizing.redemptions import queued_share


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """``cash`` is the symbol of the debt token. ``idle_buffer`` stays idle after the call, ``queued`` is what the
    redemption queue waits for, and nothing is borrowed or repaid for ``dust``: raw of the debt token.
    ``min_health_factor`` holds between two steps."""

    snapshot: MarketSnapshot
    policy: Policy
    emergency: bool
    held: Portfolio
    venue: LendingVenue
    cash: str
    swap_terms: SwapTerms
    idle_buffer: int
    queued: int
    dust: int
    min_health_factor: MinHealthFactor

    def book(self, flash: int = 0) -> LendingBook:
        """As the call begins, in the worst case."""
        return LendingBook.when_mined(self.snapshot, self.venue, flash)


def planning_context(decision: Decision, snapshot: MarketSnapshot, policy: Policy) -> PlanningContext:
    """An emergency keeps no idle buffer: all that it sells repays debt."""
    emergency = decision.action is Action.RIPCORD
    price, decimals = snapshot.feeds[0].price, snapshot.debt_token.decimals
    venue = AaveV3.of(snapshot)
    book = LendingBook.when_mined(snapshot, venue)
    return PlanningContext(
        snapshot=snapshot,
        policy=policy,
        emergency=emergency,
        held=portfolio(snapshot),
        venue=venue,
        cash=venue.debt_symbol,
        swap_terms=SwapTerms(
            snapshot=snapshot,
            max_slippage_bps=policy.decision.at(decision.urgency).max_slippage_bps,
            costs=swap_costs(snapshot, policy.plan.gas_usd_price_symbol),
        ),
        idle_buffer=0 if emergency else buffer_of(snapshot, policy),
        queued=0 if snapshot.redemptions is None else snapshot.redemptions.value,
        dust=raw_from_usd_floor(policy.plan.dust_usd, decimals, price) if price > 0 else 0,
        min_health_factor=min_health_factor.of_emergency(flash_loan=True)
        if emergency
        else min_health_factor.of_rebalance(snapshot.vault.policy.min_health_factor, book),
    )


def buffer_of(snapshot: MarketSnapshot, policy: Policy) -> int:
    """The part of what stays in the vault that is kept idle, raw of the debt token, rounded up."""
    nav_usd = portfolio(snapshot).nav_usd
    stays_usd = max(0.0, nav_usd * (1.0 - queued_share(snapshot, nav_usd)))
    return raw_from_usd_ceil(
        stays_usd * policy.size.idle_buffer, snapshot.debt_token.decimals, snapshot.feeds[0].price
    )

"""The candidate plan over several accounts, in one call around one flash loan. Its steps have a fixed order: repay
where debt leaves and what collateral cannot be withdrawn without, withdraw where collateral leaves, swap as
``around_flash_loan`` does, supply where collateral comes, borrow where debt comes.

In each account debt falls before collateral leaves, and collateral comes before debt rises. So none is nearer to
liquidation on the way than at one of its ends, or than the floor that the vault demands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from keeper.domain.accounts import accounts
from keeper.domain.errors import NothingFeasible
from keeper.domain.placement import Placement
from keeper.lending.book import LendingBook
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import PlanningContext
from keeper.planning.draft import PlanDraft
from keeper.planning.feasibility import supply_obstacle, worth_supplying
from keeper.planning.fills import Fill
from keeper.planning.steps import swap

PASSES = 4
"""Attempts to find the flash loan whose premium is borrowed as well."""


def plans_across(
    fills: Sequence[Fill], placement: Placement, context: PlanningContext
) -> Iterator[CandidatePlan]:
    """With what redemptions wait for left idle, and with what the vault reserves of it."""
    queue = context.idle_buffer + max(context.queued, context.reserved - context.idle_buffer)
    for buffer in (queue, None) if context.queued else (None,):
        with suppress(NothingFeasible):
            yield across_accounts(fills, placement, context, buffer=buffer)


def changed_by(placement: Placement, context: PlanningContext) -> set[int]:
    """The places of the accounts whose collateral or debt it changes by more than dust."""
    snapshot, dust_usd = context.snapshot, context.policy.plan.dust_usd
    held = {account.venue.place: account for account in accounts(snapshot)}
    places = set()
    for placed in placement.accounts:
        now = held[placed.place]
        changes = [
            placed.debt_usd - snapshot.value_usd(context.cash, now.owed[0]),
            *(
                value - snapshot.value_usd(symbol, now.supplied[snapshot.index(symbol)])
                for symbol, value in zip(placement.symbols, placed.collateral_usd, strict=True)
            ),
        ]
        if any(abs(change) > dust_usd for change in changes):
            places.add(placed.place)
    return places


def across_accounts(
    fills: Sequence[Fill], placement: Placement, context: PlanningContext, *, buffer: int | None = None
) -> CandidatePlan:
    """Ends at the placement's shares of collateral and debt. ``buffer`` raw of the debt token stays idle, without one
    what must. Raises NothingFeasible where a step cannot be written."""
    if buffer is None:
        buffer = max(context.idle_buffer, context.reserved)
    places = [account.venue.place for account in accounts(context.snapshot)]
    books = context.books(places, mined=True)
    collateral = {
        symbol: _collateral_change(symbol, fills, books, placement=placement, context=context)
        for symbol in context.snapshot.risk_symbols
    }
    due = _due_first(collateral, books, context)
    debt = _debt_changes(fills, books, placement, context=context, buffer=buffer, due=due)
    return _written(fills, collateral, debt, context=context, places=places)


@dataclass(frozen=True, slots=True)
class DebtChange:
    """Raw of the debt token, by the account's place. ``repaid`` is before, ``borrowed`` after all else."""

    flash: int
    premium: int
    repaid: Mapping[int, int]
    borrowed: Mapping[int, int]


# --------------------------------------------------------------------- collateral


@dataclass(frozen=True, slots=True)
class CollateralChange:
    """Raw of one asset, by the account's place. ``supplied`` is certain; the last of its places takes the rest as
    well."""

    withdrawn: Mapping[int, int]
    supplied: Mapping[int, int]


def _collateral_change(
    symbol: str,
    fills: Sequence[Fill],
    books: Mapping[int, LendingBook],
    *,
    placement: Placement,
    context: PlanningContext,
) -> CollateralChange:
    idle = next(iter(books.values())).idle[symbol]
    sold = sum(fill.trade.amount_in for fill in fills if fill.trade.sell == symbol)
    bought = sum(fill.min_out for fill in fills if fill.trade.buy == symbol)
    held = {place: book.supplied[symbol] for place, book in books.items()}
    certain = idle + sum(held.values()) + bought - sold
    shares = placement.collateral_shares(symbol) or _shares(held)
    dust = _dust(symbol, context)
    ends = {place: int(certain * shares.get(place, 0.0)) for place in held}
    withdrawn = {place: held[place] - end for place, end in ends.items() if held[place] - end > dust}
    if context.sells_only:
        # No collateral changes account: no more leaves than is sold.
        withdrawn = _first_of(withdrawn, sold - idle - bought)
    # What is too little to move leaves where most is held, if the swaps sell it.
    missing = sold - idle - bought - sum(withdrawn.values())
    for place in sorted(held, key=lambda place: withdrawn.get(place, 0) - held[place]):
        if missing <= 0:
            break
        more = min(missing, held[place] - withdrawn.get(place, 0))
        withdrawn[place] = withdrawn.get(place, 0) + more
        missing -= more
    coming = {place: end - held[place] for place, end in ends.items() if end - held[place] > dust}
    if context.sells_only:
        coming = {}
    left = idle + bought + sum(withdrawn.values()) - sold
    return CollateralChange(
        {place: amount for place, amount in withdrawn.items() if amount > 0},
        _fitted(coming, left, symbol, context=context) or _rest(left, shares, symbol, context=context),
    )


def _first_of(amounts: Mapping[int, int], most: int) -> dict[int, int]:
    """Not more than ``most`` in all, the largest first."""
    kept: dict[int, int] = {}
    for place, amount in sorted(amounts.items(), key=lambda item: -item[1]):
        kept[place] = max(0, min(amount, most - sum(kept.values())))
    return kept


def _fitted(coming: Mapping[int, int], left: int, symbol: str, *, context: PlanningContext) -> dict[int, int]:
    """Not more than is there, the largest last."""
    fitted: dict[int, int] = {}
    for place, amount in sorted(coming.items(), key=lambda item: item[1]):
        part = min(amount, left - sum(fitted.values()))
        if part > 0 and supply_obstacle(symbol, part, context.at(place).snapshot) is None:
            fitted[place] = part
    return fitted


def _rest(left: int, shares: Mapping[int, float], symbol: str, *, context: PlanningContext) -> dict[int, int]:
    """What is idle goes where most of the asset stands, if that is worth a step."""
    for place in sorted(shares, key=lambda place: -shares[place]):
        if shares[place] > 0.0 and worth_supplying(left, symbol, context.at(place).snapshot):
            return {place: left}
    return {}


# --------------------------------------------------------------------------- debt


def _debt_changes(
    fills: Sequence[Fill],
    books: Mapping[int, LendingBook],
    placement: Placement,
    context: PlanningContext,
    *,
    buffer: int,
    due: Mapping[int, int],
) -> DebtChange:
    """``due`` must be repaid before collateral can leave, and is borrowed again."""
    cash = context.cash
    idle = next(iter(books.values())).idle[cash]
    spent = sum(fill.trade.amount_in for fill in fills if fill.trade.sell == cash)
    earned = sum(fill.min_out for fill in fills if fill.trade.buy == cash)
    owed = {place: book.owed for place, book in books.items()}
    shares = placement.debt_shares() or _shares(owed)
    if context.sells_only:
        return _repayments(owed, shares, idle + earned - spent - buffer, due=due, context=context)
    premium = flash = 0
    for _ in range(PASSES):
        rise = buffer + spent + premium - idle - earned
        repaid, borrowed = _by_account(owed, shares, rise, dust=context.dust)
        for place, amount in due.items():
            more = max(0, amount - repaid.get(place, 0))
            if more:
                repaid[place] = repaid.get(place, 0) + more
                borrowed[place] = borrowed.get(place, 0) + more
        usable = max(0, idle - buffer)
        upfront = sum(repaid.values())
        flash = max(0, upfront - usable, upfront + spent - earned - usable)
        if context.lender.premium(flash) == premium:
            break
        premium = context.lender.premium(flash)
    return DebtChange(flash, premium, repaid=repaid, borrowed=borrowed)


def _repayments(
    owed: Mapping[int, int],
    shares: Mapping[int, float],
    spare: int,
    *,
    due: Mapping[int, int],
    context: PlanningContext,
) -> DebtChange:
    """Of sales alone, which lower debt and borrow none: ``spare`` raw repay, first what is ``due``, then where the
    placement has less debt. Raises NothingFeasible where the sales do not return what is due before them."""
    usable = max(0, context.snapshot.holdings[0].idle - max(context.idle_buffer, context.reserved))
    premium = flash = 0
    repaid: dict[int, int] = {}
    for _ in range(PASSES):
        most = min(max(0, spare - premium), sum(owed.values()))
        if sum(due.values()) > most:
            raise NothingFeasible(
                "the sales return less than must be repaid before their collateral can leave",
                remedy="Wait until collateral can leave another account, or deposit cash into the vault.",
            )
        repaid = dict(due)
        if most > context.dust:
            after = sum(owed.values()) - most
            less = {
                place: max(0, amount - int(after * shares.get(place, 0.0)) - repaid.get(place, 0))
                for place, amount in owed.items()
            }
            for place, amount in _first_of(less, most - sum(repaid.values())).items():
                repaid[place] = repaid.get(place, 0) + amount
        flash = max(0, sum(repaid.values()) - usable)
        if context.lender.premium(flash) == premium:
            break
        premium = context.lender.premium(flash)
    return DebtChange(
        flash, premium, repaid={place: sum_ for place, sum_ in repaid.items() if sum_}, borrowed={}
    )


def _due_first(
    collateral: Mapping[str, CollateralChange], books: Mapping[int, LendingBook], context: PlanningContext
) -> dict[int, int]:
    """What each account repays before its collateral can leave, raw by place."""
    due = {}
    for place, book in books.items():
        leaving = {symbol: change.withdrawn.get(place, 0) for symbol, change in collateral.items()}
        minimum = context.at(place).min_health_factor.sized_for
        if any(leaving.values()):
            # At 0 the venue has no price, and nothing leaves beside debt.
            due[place] = book.repayment_before(leaving, minimum) if minimum > 0.0 else book.owed
    return {place: amount for place, amount in due.items() if amount}


def _by_account(
    owed: Mapping[int, int], shares: Mapping[int, float], rise: int, *, dust: int
) -> tuple[dict[int, int], dict[int, int]]:
    """Repaid and borrowed, raw by place, so that the debt rises by ``rise`` in all. Changes of no more than dust are
    left out, and the account whose debt changes most takes their part."""
    after = max(0, sum(owed.values()) + rise)
    if after == 0:
        return {place: amount for place, amount in owed.items() if amount}, {}
    if not shares:
        shares = {min(owed): 1.0}
    ends = {place: int(after * shares.get(place, 0.0)) for place in owed}
    changes = {place: (ends[place] if ends[place] > dust else 0) - amount for place, amount in owed.items()}
    kept = {place: change for place, change in changes.items() if abs(change) > dust}
    rest = rise - sum(kept.values())
    if kept or abs(rest) > dust or rest > 0:
        most = max(kept or owed, key=lambda place: abs(changes[place]))
        kept[most] = kept.get(most, 0) + rest
    repaid = {place: min(-change, owed[place]) for place, change in kept.items() if change < 0}
    return repaid, {place: change for place, change in kept.items() if change > 0}


# ------------------------------------------------------------------------ the plan


def _written(
    fills: Sequence[Fill],
    collateral: Mapping[str, CollateralChange],
    debt: DebtChange,
    context: PlanningContext,
    *,
    places: Collection[int],
) -> CandidatePlan:
    books = context.books(places, debt.flash, mined=True)
    first = context.snapshot.venue.place
    whole = PlanDraft(context, books[first], context.min_health_factor.sized_for)
    drafts = {
        place: PlanDraft(
            at := context.at(place),
            books[place],
            at.min_health_factor.sized_for,
            steps=whole.steps,
            surplus=whole.surplus,
        )
        for place in places
    }
    for place, amount in debt.repaid.items():
        drafts[place].repay(amount)
    for symbol, change in collateral.items():
        for place, amount in change.withdrawn.items():
            drafts[place].withdraw(symbol, amount)
    for fill in sorted(
        fills, key=lambda fill: (fill.trade.sell == context.cash, fill.trade.buy != context.cash)
    ):
        whole.swap(swap(fill))
    for symbol, change in collateral.items():
        taking = tuple(change.supplied)
        for place in taking[:-1]:
            drafts[place].supply_part(symbol, change.supplied[place])
        for place in taking[-1:]:
            drafts[place].supply_all(symbol)
    for place, amount in debt.borrowed.items():
        drafts[place].borrow(amount)
    return CandidatePlan(tuple(whole.steps), debt.flash, debt.premium, fills=tuple(fills))


def _shares(amounts: Mapping[int, int]) -> dict[int, float]:
    total = sum(amounts.values())
    return {place: amount / total for place, amount in amounts.items()} if total else {}


def _dust(symbol: str, context: PlanningContext) -> int:
    price = context.snapshot.price(symbol)
    return context.snapshot.raw_worth(symbol, context.policy.plan.dust_usd) if price > 0 else 0

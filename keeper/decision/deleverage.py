"""How far weights are lowered to bring the health factor back."""

from __future__ import annotations

import math

from keeper.decision.exits import is_below_rate, sellable
from keeper.decision.move import Move, limited_move, sale_costs_bps
from keeper.decision.position import VaultPosition
from keeper.decision.reach import reaches_need
from keeper.domain.accounts import to_lower
from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS, UINT256_MAX, WAD
from keeper.domain.urgency import Urgency
from keeper.lending.flash_lender import flash_lender
from keeper.lending.venues import vault_book, venue_of
from keeper.oracle.vault_rules import call_limits, emergency_aim, in_emergency, repaying_cash


def emergency_move(position: VaultPosition) -> Move:
    """To the lowered weights, as far as one trade and the vault's ``deleverage`` may go. Where that is not all the way,
    nothing is sold below its rate of redemption while something else can be."""
    aim = lowered_weights(position, Urgency.EMERGENCY)
    leaving = frozenset(vault_book(to_lower(position.snapshot)).must_leave_first())
    below = {feed.symbol for feed in position.snapshot.feeds if is_below_rate(feed)} - leaving
    others = tuple(
        now if symbol in below else goal
        for symbol, now, goal in zip(position.model.symbols, position.current.weights, aim, strict=True)
    )
    move = _emergency_move(position, others)
    return move if others == aim or move.cut_short_by else _emergency_move(position, aim)


def _emergency_move(position: VaultPosition, aim: tuple[float, ...]) -> Move:
    return limited_move(
        position,
        aim,
        position.policy.decision.at(Urgency.EMERGENCY).max_trade,
        costs_bps=sale_costs_bps(position, aim),
        call_limits=call_limits(position.snapshot, lowering=True),
    )


def lowered_weights(position: VaultPosition, urgency: Urgency) -> tuple[float, ...]:
    """What the account to lower and the vault's idle part hold, lowered alike until its health factor is at its target.
    What other accounts hold stays. Collateral with a loan to value of 0 goes first (``LendingVenue.must_leave_first``),
    because the lending market demands that.

    Only what may be sold at its price's trust is sold, and what the market pays less for than its rate of redemption
    only where all else does not suffice. The health factor is the lending market's own, after the sales
    lose the pools' fees and all of the urgency's slippage. Where the assets do not suffice, the weights are as low as
    they reach. Where the accounts in need are stuck, nothing is sold: that would help none of them.
    """
    if not reaches_need(position, urgency):
        return position.current.weights
    assets = sellable(position, urgency)
    lost = largest_loss(position, assets, urgency)
    # An emergency call of the vault may not end too high: not even if the sales lose nothing, and idle cash repays.
    kept = _kept_shares(position, assets, 0.0 if in_emergency(position.snapshot) else lost)
    parts = _parts(to_lower(position.snapshot))
    return tuple(
        weight * (1.0 - parts[symbol]) + weight * parts[symbol] * kept.get(symbol, 1.0)
        for symbol, weight in zip(position.model.symbols, position.current.weights, strict=True)
    )


def largest_loss(position: VaultPosition, assets: frozenset[str], urgency: Urgency) -> float:
    """Part of the value of these assets that selling them all loses at most: the pools' fees and all slippage."""
    return (position.policy.decision.at(urgency).max_slippage_bps + _fees_bps(position, assets)) / BPS


def _fees_bps(position: VaultPosition, assets: frozenset[str]) -> float:
    held = {
        symbol: (weight, cost.linear_bps)
        for symbol, weight, cost in zip(
            position.model.symbols, position.current.weights, position.costs, strict=True
        )
        if symbol in assets
    }
    whole = math.fsum(weight for weight, _ in held.values())
    return math.fsum(weight * bps for weight, bps in held.values()) / whole if whole > 0.0 else 0.0


def target_health_factor(position: VaultPosition) -> float:
    """Where a deleveraging ends: the requested health factor, or the safe level without a request. Infinite means that
    all debt is repaid. Below the act level, a request does not end lower than the safe level. An emergency call of the
    vault ends under the vault's own target; what is left is an ordinary deleveraging."""
    decision, request = position.policy.decision, position.observation.deleverage_request
    aim = decision.safe_health_factor if request is None else request.health_factor
    if position.held.health_factor < decision.act_health_factor:
        aim = max(aim, decision.safe_health_factor)
    return min(aim, emergency_aim(position.snapshot)) if in_emergency(position.snapshot) else aim


def _parts(snapshot: MarketSnapshot) -> dict[str, float]:
    """By asset, what is idle and in the account that the snapshot shows, of all that the vault has of it."""
    return {
        here.symbol: (here.idle + here.supplied) / (here.idle + here.supplied + other.supplied)
        if other.supplied
        else 1.0
        for here, other in zip(snapshot.holdings, snapshot.elsewhere, strict=True)
    }


def _kept_shares(position: VaultPosition, assets: frozenset[str], lost: float) -> dict[str, float]:
    """Of each of the ``assets`` to sell the share to keep, in [0, 1].

    With debt D, and collateral V, weighted by thresholds K, at the lending oracle's prices, split into what must leave
    first and has no part in K, sold or not (2), what else can be sold (1) and what cannot (0): of (2) is sold until
    ``K0 + K1 = h (D - (1 - lost) S2)``; where all of it does not do, the share ``g`` of the others stays for which
    ``K0 + g K1 = h (D - (1 - lost) (V2 + (1 - g) V1))``. Where that takes all of (1) too, what is below its rate goes
    by the same equation.
    """
    snapshot = to_lower(position.snapshot)
    venue, book = venue_of(snapshot), vault_book(snapshot)
    leaving = book.must_leave_first()
    rest = {symbol: amount for symbol, amount in book.supplied.items() if symbol not in leaving}
    below = frozenset(
        symbol for symbol in assets if is_below_rate(position.snapshot.feeds[position.snapshot.index(symbol)])
    )
    can_go = {symbol: amount for symbol, amount in rest.items() if symbol in assets - below}
    goes_last = {symbol: amount for symbol, amount in rest.items() if symbol in below}
    first_v = venue.collateral_value(
        {symbol: book.supplied[symbol] for symbol in leaving if symbol in assets}
    )
    sold_v, sold_k = venue.collateral_value(can_go), venue.secured_value(can_go) / BPS
    last_v, last_k = venue.collateral_value(goes_last), venue.secured_value(goes_last) / BPS
    fixed_k = venue.secured_value(rest) / BPS - sold_k - last_k
    account = snapshot.account
    debt = account.debt_base
    total_k = venue.secured_value(book.supplied) / BPS
    if total_k > 0.0 and account.health_factor != UINT256_MAX:
        # The account's own health factor knows of eMode and other collateral.
        scale = account.health_factor / WAD * debt / total_k
        fixed_k, sold_k, last_k = scale * fixed_k, scale * sold_k, scale * last_k
    safe, returned = target_health_factor(position), 1.0 - lost
    if math.isinf(safe):
        to_repay = float(debt + venue.interest_until_mined(debt) + flash_lender(snapshot).premium(debt))
    else:
        to_repay = debt - _repaid_by_cash(position) - (fixed_k + sold_k + last_k) / safe
    sold_first = min(float(first_v), max(0.0, to_repay / returned))
    kept_of_first = 1.0 - sold_first / first_v if first_v else 1.0
    kept = kept_of_last = 1.0
    if sold_first >= first_v:
        rest_to_repay = to_repay - returned * first_v
        kept = _kept_share(rest_to_repay, sold_k, returned * sold_v, safe=safe)
        if kept == 0.0:
            freed = returned * sold_v - (0.0 if math.isinf(safe) else sold_k / safe)
            kept_of_last = _kept_share(rest_to_repay - freed, last_k, returned * last_v, safe=safe)
    return {
        symbol: kept_of_first if symbol in leaving else kept_of_last if symbol in below else kept
        for symbol in assets
    }


def _repaid_by_cash(position: VaultPosition) -> float:
    """In the vault's emergency, what idle cash repays, at the lending market's price."""
    snapshot = to_lower(position.snapshot)
    if not in_emergency(snapshot):
        return 0.0
    return float(venue_of(snapshot).cash_value(repaying_cash(snapshot, position.policy.plan.dust_usd)))


def _kept_share(to_repay: float, carried: float, proceeds: float, safe: float) -> float:
    """Share ``g`` to keep of assets: what is sold returns its part of ``proceeds`` and carries its part of
    ``carried / safe`` no longer, ``(1 - g) (proceeds - carried / safe) = to_repay``."""
    freed = proceeds - (0.0 if math.isinf(safe) else carried / safe)
    if to_repay <= 0.0:
        return 1.0
    return max(0.0, 1.0 - to_repay / freed) if freed > 0.0 else 0.0

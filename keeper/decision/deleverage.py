"""How far weights are lowered to bring the health factor back."""

from __future__ import annotations

import math

from keeper.decision.exits import exit_losses_bps, sellable
from keeper.decision.move import Move, limited_move
from keeper.decision.position import VaultPosition
from keeper.domain.units import BPS, UINT256_MAX, WAD
from keeper.domain.urgency import Urgency
from keeper.lending.aave import AaveV3
from keeper.lending.book import vault_book


def emergency_move(position: VaultPosition) -> Move:
    """To the lowered weights, as far as one trade may go. Sales at prices that are not trusted also go no further than
    the vault's limit on losses."""
    limits = position.policy.decision.at(Urgency.EMERGENCY)
    return limited_move(
        position,
        lowered_weights(position, Urgency.EMERGENCY),
        limits.max_trade,
        costs_bps=exit_losses_bps(position),
        max_loss_bps=position.snapshot.vault.policy.max_emergency_loss_bps,
    )


def lowered_weights(position: VaultPosition, urgency: Urgency) -> tuple[float, ...]:
    """All weights lowered alike until the health factor is at its target. Collateral with a loan to value of 0 goes
    first (``LendingVenue.must_leave_first``), because the lending market demands that.

    Only what may be sold at its price's trust is sold. The health factor is the lending market's own, after the sales
    lose all of the urgency's slippage. Where the assets do not suffice, the weights are as low as they reach.
    """
    slippage = position.policy.decision.at(urgency).max_slippage_bps / BPS
    kept = _kept_shares(position, sellable(position, urgency), slippage)
    return tuple(
        weight * kept.get(symbol, 1.0)
        for symbol, weight in zip(position.model.symbols, position.current.weights, strict=True)
    )


def target_health_factor(position: VaultPosition) -> float:
    """Where a deleveraging ends: the requested health factor, or the safe level without a request. Infinite means that
    all debt is repaid. Below the act level, a request does not end lower than the safe level."""
    decision, request = position.policy.decision, position.observation.deleverage_request
    if request is None:
        return decision.safe_health_factor
    if position.held.health_factor < decision.act_health_factor:
        return max(request.health_factor, decision.safe_health_factor)
    return request.health_factor


def _kept_shares(position: VaultPosition, assets: frozenset[str], slippage: float) -> dict[str, float]:
    """Of each of the ``assets`` to sell the share to keep, in [0, 1].

    With debt D, and collateral V, weighted by thresholds K, at the lending oracle's prices, split into what must leave
    first and has no part in K, sold or not (2), what else can be sold (1) and what cannot (0): of (2) is sold until
    ``K0 + K1 = h (D - (1 - slippage) S2)``; where all of it does not do, the share ``g`` of the others stays for which
    ``K0 + g K1 = h (D - (1 - slippage) (V2 + (1 - g) V1))``.
    """
    snapshot = position.snapshot
    venue, book = AaveV3.of(snapshot), vault_book(snapshot)
    leaving = book.must_leave_first()
    rest = {symbol: amount for symbol, amount in book.supplied.items() if symbol not in leaving}
    can_go = {symbol: amount for symbol, amount in rest.items() if symbol in assets}
    first_v = venue.collateral_value(
        {symbol: book.supplied[symbol] for symbol in leaving if symbol in assets}
    )
    sold_v, sold_k = venue.collateral_value(can_go), venue.secured_value(can_go) / BPS
    fixed_k = venue.secured_value(rest) / BPS - sold_k
    account = snapshot.account
    debt = account.debt_base
    total_k = venue.secured_value(book.supplied) / BPS
    if total_k > 0.0 and account.health_factor != UINT256_MAX:
        # The account's own health factor knows of eMode and other collateral.
        scale = account.health_factor / WAD * debt / total_k
        fixed_k, sold_k = scale * fixed_k, scale * sold_k
    safe, returned = target_health_factor(position), 1.0 - slippage
    if math.isinf(safe):
        to_repay = float(debt + venue.interest_until_mined(debt) + venue.flash_premium(debt))
    else:
        to_repay = debt - (fixed_k + sold_k) / safe
    sold_first = min(float(first_v), max(0.0, to_repay / returned))
    kept_of_first = 1.0 - sold_first / first_v if first_v else 1.0
    kept = 1.0
    if sold_first >= first_v:
        kept = _kept_share(to_repay - returned * first_v, sold_k, returned * sold_v, safe=safe)
    return {symbol: kept_of_first if symbol in leaving else kept for symbol in assets}


def _kept_share(to_repay: float, carried: float, proceeds: float, safe: float) -> float:
    """Share ``g`` to keep of assets: what is sold returns its part of ``proceeds`` and carries its part of
    ``carried / safe`` no longer, ``(1 - g) (proceeds - carried / safe) = to_repay``."""
    freed = proceeds - (0.0 if math.isinf(safe) else carried / safe)
    if to_repay <= 0.0:
        return 1.0
    return max(0.0, 1.0 - to_repay / freed) if freed > 0.0 else 0.0

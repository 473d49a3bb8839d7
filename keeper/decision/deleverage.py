"""How far weights are lowered in an emergency."""

from __future__ import annotations

import math

from keeper.decision.move import Move, limited_move
from keeper.decision.position import VaultPosition
from keeper.domain.market import Trust
from keeper.domain.units import BPS, UINT256_MAX, WAD, usd
from keeper.domain.urgency import Urgency

INTEREST_MARGIN = 5e-4
"""Interest adds less than this to the debt until a transaction is mined."""


def emergency_move(position: VaultPosition) -> Move:
    """Lowers all weights alike until the health factor is at its target. Collateral with a loan to value of 0 goes
    first (``zero_ltv_collateral``), because the lending market demands that.

    An asset whose price is DEAD is not sold. The health factor is the lending market's own, after the sales lose all
    of the emergency slippage. Where the assets do not suffice, the goal is as low as they reach.
    """
    limits = position.policy.decision.at(Urgency.EMERGENCY)
    kept = _kept_shares(position, limits.max_slippage_bps / BPS)
    lowered = tuple(
        weight * kept.get(symbol, 1.0)
        for symbol, weight in zip(position.model.symbols, position.current.weights, strict=True)
    )
    return limited_move(position, lowered, limits.max_trade, max_loss_bps=math.inf)


def target_health_factor(position: VaultPosition) -> float:
    """Where a deleveraging ends: the requested health factor, or the safe level without a request. Infinite means that
    all debt is repaid. Below the act level, a request does not end lower than the safe level."""
    decision, request = position.policy.decision, position.observation.deleverage_request
    if request is None:
        return decision.safe_health_factor
    if position.held.health_factor < decision.act_health_factor:
        return max(request.health_factor, decision.safe_health_factor)
    return max(request.health_factor, 1.0)


def _sellable(position: VaultPosition) -> frozenset[str]:
    return frozenset(feed.symbol for feed in position.snapshot.feeds[1:] if feed.trust is not Trust.DEAD)


def _kept_shares(position: VaultPosition, slippage: float) -> dict[str, float]:
    """Of every sellable asset the share to keep, in [0, 1].

    With debt D, and collateral V, weighted by thresholds K, at the lending oracle's prices, split into what must leave
    first and has no part in K, sold or not (2), what else can be sold (1) and what cannot (0): of (2) is sold until
    ``K0 + K1 = h (D - (1 - slippage) S2)``; where all of it does not do, the share ``g`` of the others stays for which
    ``K0 + g K1 = h (D - (1 - slippage) (V2 + (1 - g) V1))``.
    """
    snapshot, sellable, leaving = (
        position.snapshot,
        _sellable(position),
        position.snapshot.zero_ltv_collateral,
    )
    fixed_k = sold_k = left_k = sold_v = left_v = 0.0
    for token, reserve, holding in zip(
        snapshot.tokens[1:], snapshot.reserves[1:], snapshot.holdings[1:], strict=True
    ):
        value = usd(holding.supplied, token.decimals, reserve.market_price)
        threshold = value * reserve.liquidation_threshold_bps / BPS
        if token.symbol in leaving:
            left_v, left_k = left_v + (value if token.symbol in sellable else 0.0), left_k + threshold
        elif token.symbol in sellable:
            sold_v, sold_k = sold_v + value, sold_k + threshold
        else:
            fixed_k += threshold
    debt = snapshot.account.debt_base / 10**8
    total_k = fixed_k + sold_k + left_k
    if total_k > 0.0 and snapshot.account.health_factor != UINT256_MAX:
        # The account's own health factor knows of eMode and other collateral.
        scale = snapshot.account.health_factor / WAD * debt / total_k
        fixed_k, sold_k = scale * fixed_k, scale * sold_k
    safe, returned = target_health_factor(position), 1.0 - slippage
    to_repay = debt * (1.0 + INTEREST_MARGIN) if math.isinf(safe) else debt - (fixed_k + sold_k) / safe
    first = min(left_v, max(0.0, to_repay / returned))
    kept_of_leaving = 1.0 - first / left_v if left_v else 1.0
    kept = (
        1.0 if first < left_v else _kept_share(to_repay - returned * left_v, sold_k, returned * sold_v, safe)
    )
    return {symbol: kept_of_leaving if symbol in leaving else kept for symbol in sellable}


def _kept_share(to_repay: float, carried: float, proceeds: float, safe: float) -> float:
    """Share ``g`` to keep of assets: what is sold returns its part of ``proceeds`` and carries its part of
    ``carried / safe`` no longer, ``(1 - g) (proceeds - carried / safe) = to_repay``."""
    freed = proceeds - (0.0 if math.isinf(safe) else carried / safe)
    if to_repay <= 0.0:
        return 1.0
    return max(0.0, 1.0 - to_repay / freed) if freed > 0.0 else 0.0

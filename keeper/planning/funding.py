"""How the debt asset flows through a plan: what is flash-borrowed, repaid, borrowed, so that no step can come
up short.

All amounts raw, of the debt asset. Sells count at the least they must return, so that the plan holds even
then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS, raw_from_usd_ceil
from keeper.planning.fills import Fill


@dataclass(frozen=True, slots=True)
class Funding:
    """``repay_first`` before collateral is withdrawn, ``borrow`` or ``repay_last`` after everything is
    supplied. ``spare`` is what is certain to be left over beside the buffer. Where ``repay_first`` is all that is
    owed, there is a bp of it more, for the interest until it is mined."""

    flash: int
    premium: int
    repay_first: int
    borrow: int
    repay_last: int
    spare: int

    def debt_after(self, owed: int) -> int:
        """Raw, of what is ``owed`` before."""
        return max(0, owed - self.repay_first - self.repay_last) + self.borrow


def funding(
    fills: Sequence[Fill],
    snapshot: MarketSnapshot,
    buffer: int,
    withdrawn: dict[str, int],
    least: float,
    *,
    may_borrow: bool,
    dust: int = 0,
) -> Funding:
    """The smallest flash loan that carries the fills, and what the debt does to settle it.

    ``buffer`` stays idle, and is borrowed where it is missing; ``withdrawn`` is the collateral that leaves the
    lending market, raw by symbol in the order it leaves, which may lower the health factor to ``least`` before
    anything is repaid. Where ``may_borrow`` is False the flash loan covers at most what the sells return for certain.
    Up to ``dust`` is taken from the buffer rather than borrowed, or left rather than repaid. Raises NothingFeasible
    when collateral could only be withdrawn below health factor 1.
    """
    cash = snapshot.debt_token.symbol
    holding = snapshot.holdings[0]
    on_hand = holding.idle - buffer
    spent = sum(fill.trade.amount_in for fill in fills if fill.trade.sell == cash)
    earned = sum(fill.min_out for fill in fills if fill.trade.buy == cash)
    repay_first = repayment_first(withdrawn, snapshot, least)
    due = repay_first + _interest_until_mined(repay_first, holding.owed)
    short = due + spent - on_hand - earned
    if 0 < short <= dust and due + spent <= holding.idle:
        on_hand += short
    found = _settled(on_hand, spent, earned, repay_first, snapshot)
    if found.borrow and not may_borrow:
        repay_first = max(0, repay_first - found.borrow)
        found = _settled(on_hand, spent, earned, repay_first, snapshot)
        _require_withdrawable(repay_first, withdrawn, snapshot)
    return found if found.repay_last > dust else replace(found, repay_last=0)


def premium(flash: int, premium_bps: int) -> int:
    """Aave FlashLoanLogic: percentMulCeil."""
    return -(-flash * premium_bps // BPS)


def _settled(on_hand: int, spent: int, earned: int, repay_first: int, snapshot: MarketSnapshot) -> Funding:
    """``on_hand`` is below 0 by what the buffer lacks."""
    usable, owed = max(0, on_hand), snapshot.holdings[0].owed
    due = repay_first + _interest_until_mined(repay_first, owed)
    flash = max(0, due - usable, due + spent - usable - earned)
    fee = premium(flash, snapshot.flash_premium_bps)
    left = on_hand - due + earned - spent - fee
    repay_last = max(0, min(left, owed - repay_first))
    return Funding(
        flash=flash,
        premium=fee,
        repay_first=repay_first,
        borrow=max(0, -left),
        repay_last=repay_last,
        spare=max(0, left - repay_last),
    )


def repayment_first(withdrawn: dict[str, int], snapshot: MarketSnapshot, least: float) -> int:
    """What must be repaid before ``withdrawn`` (collateral, raw by symbol) can leave: the health factor stays at
    ``least``."""
    owed = snapshot.holdings[0].owed
    found = _repayment_that_frees(withdrawn, snapshot, least)
    # What stays would not carry even the interest until the transaction is mined: all debt goes first.
    return owed if found >= owed - interest(owed) else found


def _interest_until_mined(repaid: int, owed: int) -> int:
    """A crumb of debt beside no collateral has a health factor of 0: what repays all must repay all."""
    return interest(owed) if repaid == owed else 0


def interest(owed: int) -> int:
    """More than is added to the debt until a transaction is mined: a basis point."""
    return -(-owed // BPS)


def _require_withdrawable(repay_first: int, withdrawn: dict[str, int], snapshot: MarketSnapshot) -> None:
    """Aave ValidationLogic.validateHFAndLtv: no withdrawal may end below health factor 1."""
    if _repayment_that_frees(withdrawn, snapshot, 1.0) > repay_first:
        raise NothingFeasible(
            f"withdrawing {', '.join(withdrawn)}: what the sales return for certain does not keep the health "
            "factor above 1 on the way",
            remedy="Raise the emergency max_trade so that more is sold at once, or deposit cash into the vault.",
        )


def _repayment_that_frees(withdrawn: dict[str, int], snapshot: MarketSnapshot, least: float) -> int:
    """Debt that must go first so that the health factor stays at ``least`` or above on the way."""
    owed = snapshot.holdings[0].owed
    if owed == 0 or not withdrawn:
        return 0
    threshold_value = 0.0
    for token, holding, reserve in zip(snapshot.tokens, snapshot.holdings, snapshot.reserves, strict=True):
        stays = max(0, holding.supplied - withdrawn.get(token.symbol, 0))
        threshold_value += (
            stays * reserve.market_price * reserve.liquidation_threshold_bps / BPS / 10**token.decimals
        )
    debt_price = snapshot.reserves[0].market_price / 10**snapshot.debt_token.decimals
    carried = threshold_value / least / debt_price
    return int(max(0, math.ceil(owed - carried)))


def idle_buffer(nav_usd: float, share: float, snapshot: MarketSnapshot) -> int:
    """The part of NAV that stays idle in the debt asset, raw, rounded up."""
    price = snapshot.feeds[0].price
    return raw_from_usd_ceil(max(0.0, nav_usd) * share, snapshot.debt_token.decimals, price)

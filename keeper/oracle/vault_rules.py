"""What the vault's own contracts refuse, known before a call costs gas (Rebalancer, StepChecks and PriceBook.sol).

``rebalance`` demands a sound price of every token that its steps swap, borrow or repay: positive, not older than the
vault's own limit, near the lending market's. ``deleverage`` also takes prices that disagree, at the lending market's,
and a dead feed's token at the lending market's price where that reads something else. What is merely held needs no
price. Both spend the windows of 24 hours, unless the account is in an emergency.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from keeper.domain.accounts import to_lower
from keeper.domain.market import MarketSnapshot, Sequencer
from keeper.domain.units import BPS, WAD, usd
from keeper.domain.vault_quotes import quoted

TARGET_MARGIN = 0.01
"""How far below the vault's target health an emergency call is planned to end, because prices may rise until the
transaction is mined, and a call that ends above the target reverts."""

SEQUENCER_DOWN = "the sequencer is down, or its grace period is not over"


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may lose and sell at most, as fractions of NAV; inf in an emergency, whose loss is bounded by the
    debt that is repaid."""

    loss: float
    turnover: float


# ---------------------------------------------------------------------- prices


def rebalance_refusal(snapshot: MarketSnapshot, traded: Collection[str]) -> str:
    """Why the vault's ``rebalance`` of these tokens would revert on this block's prices or sequencer. Empty if it would
    not. The accounting asset is always among them."""
    now = snapshot.block.timestamp
    if snapshot.sequencer is not None and not sequencer_is_up(snapshot.sequencer, now):
        return SEQUENCER_DOWN
    symbols = (snapshot.debt_token.symbol, *(symbol for symbol in snapshot.risk_symbols if symbol in traded))
    return next((quote.why for symbol in symbols if (quote := quoted(snapshot, symbol)).why), "")


def sequencer_is_up(sequencer: Sequencer, now: int) -> bool:
    """Up, and for longer than the grace period. A status that was never set says nothing."""
    return sequencer.up and sequencer.status_since != 0 and now - sequencer.status_since > sequencer.grace_s


# ---------------------------------------------------------------------- losses


def in_emergency(snapshot: MarketSnapshot) -> bool:
    """Whether the health of the account to lower opens the emergency's budget to ``deleverage``. The vault opens it
    where every account that the call touches is in need."""
    return to_lower(snapshot).account.health_factor < snapshot.vault.policy.emergency_health


def emergency_aim(snapshot: MarketSnapshot) -> float:
    """The health factor that a call in an emergency is planned to reach: just under the target that it may not pass."""
    policy = snapshot.vault.policy
    middle = (policy.emergency_health + policy.target_health) / 2 / WAD
    return max(policy.target_health / WAD * (1.0 - TARGET_MARGIN), middle)


def call_limits(snapshot: MarketSnapshot, *, lowering: bool) -> CallLimits:
    """Of the next ``rebalance``, or with ``lowering`` of the next ``deleverage``."""
    if lowering and in_emergency(snapshot):
        return CallLimits(math.inf, math.inf)
    vault = snapshot.vault
    left = max(0.0, vault.policy.daily_loss_bps / BPS - vault.used_daily_loss)
    turnover = max(0.0, vault.policy.daily_turnover_bps / BPS - vault.used_daily_turnover)
    return CallLimits(min(vault.policy.max_loss_bps / BPS, left), turnover)


def slippage_bps(snapshot: MarketSnapshot, sold: str, bought: str) -> int:
    """What a swap of these tokens may return less than the oracle's price, beyond the pool's fee."""
    return max(snapshot.vault.asset(symbol).slippage_bps for symbol in (sold, bought))


def lag_bps(snapshot: MarketSnapshot, symbol: str) -> float:
    """What the vault counts as lost on every trade of the token, whatever the pool returns: its feed's lag, and the gap
    to the lending market's price."""
    quote, lag = quoted(snapshot, symbol), float(snapshot.vault.asset(symbol).lag_bps)
    return lag + (quote.high / quote.low - 1.0) * BPS if quote.low > 0 else lag


def counted_loss_usd(changes: Mapping[str, int], snapshot: MarketSnapshot, *, lowering: bool) -> float:
    """Frames.loss: what a call loses by the vault's count. ``changes`` are raw, of idle and supplied less owed."""
    came = left = 0.0
    for symbol, change in changes.items():
        quote, lag = quoted(snapshot, symbol, lowering=lowering), snapshot.vault.asset(symbol).lag_bps / BPS
        decimals = snapshot.token(symbol).decimals
        if change > 0:
            came += usd(change, decimals, quote.low) * (1.0 - lag)
        else:
            left += usd(-change, decimals, quote.high) * (1.0 + lag)
    return max(0.0, left - came)


def reserved_cash(snapshot: MarketSnapshot, *, lowering: bool) -> int:
    """Raw cash that the call must leave idle for the line. Nothing in an emergency."""
    if lowering and in_emergency(snapshot):
        return 0
    return min(snapshot.holdings[0].idle, snapshot.vault.reserved)


def repaying_cash(snapshot: MarketSnapshot, dust_usd: float) -> int:
    """Raw idle cash with which a deleverage can repay the account that it lowers: what the line leaves. Dust repays
    nothing, unless it is all that is owed."""
    snapshot = to_lower(snapshot)
    cash, token = snapshot.holdings[0], snapshot.debt_token
    spare = cash.idle - reserved_cash(snapshot, lowering=True)
    is_dust = usd(min(spare, cash.owed), token.decimals, snapshot.price(token.symbol)) <= dust_usd
    return 0 if cash.owed == 0 or (is_dust and spare < cash.owed) else spare


def levering_closed_s(snapshot: MarketSnapshot) -> int:
    """Seconds for which nothing may be borrowed."""
    return max(0, snapshot.vault.levering_closed_until - snapshot.block.timestamp)

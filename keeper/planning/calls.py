"""Which of the vault's calls carries a decision out, and which account it changes."""

from __future__ import annotations

import math

from keeper.domain.accounts import shown_in_turn, to_lower
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import VaultCall
from keeper.domain.portfolio import portfolio
from keeper.oracle.vault_rules import rebalance_refusal


def calls_of(decision: Decision, snapshot: MarketSnapshot) -> tuple[VaultCall, ...]:
    """The vault calls that may carry the decision out, the preferred one first.

    Sales alone go through ``deleverage`` where ``rebalance`` reverts on its prices, or cannot reach the vault's limits
    on health factor and leverage. It needs a debt to lower."""
    if decision.action is Action.RIPCORD:
        return (VaultCall.DELEVERAGE,)
    if not decision.sells_only or to_lower(snapshot).holdings[0].owed == 0:
        return (VaultCall.REBALANCE,)
    if rebalance_refusal(snapshot, _sold(decision, snapshot)):
        return (VaultCall.DELEVERAGE,)
    return (VaultCall.REBALANCE, VaultCall.DELEVERAGE)


def seen_by_call(
    call: VaultCall, decision: Decision, snapshot: MarketSnapshot, *, dust_usd: float
) -> MarketSnapshot:
    """As seen by the account that the call changes, or by the first where a placement says how all of them change.

    What lowers leverage without a placement is made in the account to lower; where that has nothing of what is sold, in
    the one with the lowest health factor that has."""
    if call is VaultCall.DELEVERAGE:
        return to_lower(snapshot)
    goal = decision.goal
    if not snapshot.others or decision.placement is not None or goal is None:
        return snapshot
    if not decision.sells_only and goal.leverage >= portfolio(snapshot).leverage:
        return snapshot
    sold = _sold(decision, snapshot)
    in_need = sorted(shown_in_turn(snapshot), key=lambda shown: shown.account.health_factor)
    for shown in (to_lower(snapshot), *in_need):
        here = math.fsum(shown.value_usd(symbol, shown.holding(symbol).supplied) for symbol in sold)
        if here > dust_usd:
            return shown
    return snapshot


def _sold(decision: Decision, snapshot: MarketSnapshot) -> tuple[str, ...]:
    """The assets of which the goal has less than the vault."""
    held = portfolio(snapshot)
    now = dict(zip(held.symbols, held.weights, strict=True))
    goal = decision.goal
    pairs = zip(goal.symbols, goal.weights, strict=True) if goal is not None else ()
    return tuple(symbol for symbol, weight in pairs if weight < now[symbol])

"""What holds of every decision."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from keeper.domain.decision import Action
from keeper.domain.errors import Refused
from keeper.domain.market import Trust
from keeper.domain.portfolio import portfolio
from keeper.domain.urgency import Urgency
from tests.decision.decided import LOST, a_target, decided, health_factor_after
from tests.factories import (
    RISK_SYMBOLS,
    a_policy,
    a_snapshot,
    with_feed,
    with_limits,
    with_market_move,
    with_vault_policy,
)
from tests.properties import examples


@given(
    st.lists(st.floats(0.0, 0.8), min_size=4, max_size=4),
    st.sampled_from(("USDC", *RISK_SYMBOLS)),
    st.sampled_from((Trust.STALE, Trust.SUSPECT, Trust.DEAD)),
    st.floats(0.4, 1.2),
)
@examples(150)
def test_bad_data_never_raises_leverage(weights: list[float], symbol: str, trust: Trust, move: float) -> None:
    snapshot = with_feed(with_market_move(a_snapshot(weights=weights), move), symbol, trust=trust)
    decision = decided(snapshot)
    if decision.goal is not None:
        assert decision.goal.leverage < portfolio(snapshot).leverage
        assert all(g <= w for g, w in zip(decision.goal.weights, decision.current.weights, strict=True))


@given(st.lists(st.floats(0.0, 0.8), min_size=4, max_size=4), st.floats(0.4, 1.5))
@examples(150)
def test_a_trade_stays_between_where_the_vault_is_and_where_it_should_be(
    weights: list[float], move: float
) -> None:
    snapshot = with_market_move(a_snapshot(weights=weights), move)
    decision = decided(snapshot)
    if decision.action in (Action.REBALANCE, Action.ITERATE):
        assert decision.goal is not None
        target = a_target(snapshot)
        for goal, now, due in zip(
            decision.goal.weights, decision.current.weights, target.weights, strict=True
        ):
            assert min(now, due) - 1e-9 <= goal <= max(now, due) + 1e-9
    if decision.action is Action.HOLD:
        assert decision.goal is None
    assert decision.reason.startswith(f"{decision.action.value}: ")
    assert decision.reason.endswith(".")


@given(st.lists(st.floats(0.0, 1.5), min_size=4, max_size=4), st.floats(0.3, 1.0))
@example(weights=[0.5] * 4, move=0.5)
@example(weights=[0.5] * 4, move=0.499)
@example(weights=[1.5, 1.5, 1.5, 1.4375], move=0.859375)
@examples(150)
def test_a_ripcord_only_lowers_and_reaches_the_safe_level_or_sells_everything(
    weights: list[float], move: float
) -> None:
    """Everything is sold where the sales, after their largest loss, do not return what is owed. A vault that owes more
    than it holds is refused by name."""
    # Both limits are parts of NAV, and a NAV of 1e-10 USD has weights of 1e16.
    unbounded = with_vault_policy(
        a_snapshot(weights=weights),
        emergency_health=0,
        max_loss_bps=10**30,
        daily_loss_bps=10**30,
        daily_turnover_bps=10**30,
    )
    snapshot = with_market_move(unbounded, move)
    policy = with_limits(a_policy(), Urgency.EMERGENCY, max_trade=math.inf)
    decision, held = decided(snapshot, policy), portfolio(snapshot)
    if held.nav_usd <= 0.0:
        assert (decision.action, decision.exit_code) == (Action.HOLD, Refused.exit_code)
        assert "the vault owes more than it holds" in decision.reason
        return
    assert (decision.action is Action.RIPCORD) == (held.health_factor < policy.decision.act_health_factor)
    if decision.action is not Action.RIPCORD:
        return
    assert decision.goal is not None
    assert all(g <= w for g, w in zip(decision.goal.weights, decision.current.weights, strict=True))
    returned_usd = (1.0 - LOST) * math.fsum(held.values_usd)
    if returned_usd < held.debt_usd * (1.0 - 1e-9):
        assert decision.goal.leverage == 0.0
    else:
        assert health_factor_after(snapshot, decision, LOST) >= 1.45 * (1 - 1e-6)

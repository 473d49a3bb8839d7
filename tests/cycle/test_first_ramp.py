"""How long a vault of cash takes to its target under the shipped limits. docs/deploying.md has the table.

``make tables TESTS=tests/cycle/test_first_ramp.py`` prints it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.chain.admin.vault_blueprint import SHIPPED_POLICY, AssetListing
from keeper.decision.decide import decide
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.sizing.size import size
from keeper.sizing.tighten import tighten
from tests.cycle.market_states import shipped_policy
from tests.factories import RISK_SYMBOLS, a_model, a_snapshot, with_depths, with_vault, with_vault_asset

CASH_LAG_BPS = 25
"""Of USDC in deploy/vault.example.toml."""
RISK_LAG_BPS = AssetListing(token="", decimals=0, feed="", max_age_s=0, dust_exponent=0).lag_bps
WINDOW_H = (24, 32)
"""After so many hours at the earliest and at the latest all of a day's limit is back."""
NAV_USD = 100_000.0


def vault_at(weights: tuple[float, ...]) -> MarketSnapshot:
    """With the shipped limits and lags, and pools as deep as the recorded ones; nothing used of the day."""
    snapshot = with_vault(
        a_snapshot(weights=weights, nav_usd=NAV_USD), policy=SHIPPED_POLICY, last_rebalance=0
    )
    for symbol in RISK_SYMBOLS:
        snapshot = with_vault_asset(
            snapshot, symbol, lag_bps=RISK_LAG_BPS, slippage_bps=100, max_weight_bps=11_000
        )
    return with_depths(with_vault_asset(snapshot, "USDC", lag_bps=CASH_LAG_BPS, slippage_bps=100))


def ramp(leverage: float) -> list[Decision]:
    """The trades from cash to a target that only ``leverage`` bounds, each with a whole day's limits."""
    shipped = shipped_policy()
    wide = replace(
        shipped.size, max_leverage=leverage, target_volatility=9.0, stress_sigmas=0.1, scenarios=()
    )
    weights: tuple[float, ...] = (0.0,) * len(RISK_SYMBOLS)
    trades: list[Decision] = []
    while True:
        snapshot = vault_at(weights)
        policy, tightened = tighten(replace(shipped, size=wide), snapshot.vault)
        observation = Observation(snapshot)
        target = size(a_model(), observation, policy)
        decision = decide(observation, a_model(), target, policy=policy, tightened=tightened)
        if decision.goal is None:
            return trades
        trades.append(decision)
        weights = decision.goal.weights


@pytest.mark.parametrize(("leverage", "calls"), [(0.5, 1), (1.0, 1), (1.5, 2), (2.0, 2)])
def test_a_first_investment_takes_a_call_for_each_day_of_limits(
    leverage: float, calls: int, show: Callable[[str], None]
) -> None:
    trades = ramp(leverage)
    reached = [round(trade.goal.leverage, 2) for trade in trades if trade.goal is not None]
    first, last = (hours * (len(trades) - 1) for hours in WINDOW_H)
    show(f"| {leverage:.1f} | {', '.join(f'{each:.2f}' for each in reached)} | {first} to {last} h |")
    assert len(trades) == calls
    assert [trade.action for trade in trades[:-1]] == [Action.ITERATE] * (calls - 1)
    if calls > 1:
        assert "the vault lets" in trades[0].reason

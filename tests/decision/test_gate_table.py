"""The table of gates, and which limits each urgency respects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.decision.gates import LIMITS, TRIGGERS, holds_back, judged_limits
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.urgency import Urgency
from tests.decision.gate_cases import EMERGENCY, OUT_OF_BAND, ROUTINE, a_trade, limit, target_weights
from tests.factories import (
    DAY,
    NOW,
    a_policy,
    a_sequencer,
    a_snapshot,
    with_block,
    with_feed,
    with_limits,
    with_market_move,
    with_reserve,
    with_vault,
)


def test_every_gate_has_its_own_name_a_meaning_and_a_known_kind() -> None:
    rules = (*TRIGGERS, *LIMITS)
    names = [rule.name for rule in rules]
    assert len(names) == len(set(names))
    assert all(rule.meaning for rule in rules)
    assert {rule.kind for rule in rules} == {"trigger", "limit", "levering"}
    assert {rule.name: rule.exit_code for rule in rules if rule.exit_code} == {
        "prices_fresh": 4,
        "sold_at_rate": 4,
        "price_to_sell_at": 4,
        "head_age": 4,
        "sequencer_up": 4,
        "oracle_gap": 4,
        "vault_agrees": 4,
        "information": 4,
        "second_opinions": 4,
        "vault_accepts": 4,
        "gas_priced": 4,
        "in_flight": 6,
        "keeper_role": 5,
        "vault_not_paused": 5,
        "assets_named": 5,
        "settings_within_vault": 5,
        "accounts_placed": 5,
        "survivable_fall": 5,
        "gas_balance": 5,
        "account_in_reach": 5,
        "not_paused": 7,
        "day_loss": 7,
        "day_failures": 7,
        "day_turnover": 5,
        "day_gas": 5,
    }


def test_each_urgency_respects_its_own_limits() -> None:
    names = {urgency: {gate.name for gate in judged_limits(a_trade(urgency=urgency))} for urgency in Urgency}
    assert names[ROUTINE] - names[OUT_OF_BAND] == {"benefit_exceeds_cost"}
    windows = {"daily_loss_budget", "daily_turnover_budget"}
    assert names[EMERGENCY] == windows | {
        "price_to_sell_at",
        "keeper_role",
        "gas_balance",
        "cooldown",
        "gas_price",
    }


@pytest.mark.parametrize(
    "spoil",
    [
        lambda snapshot: with_feed(snapshot, "UNI", trust=Trust.STALE),
        lambda snapshot: with_reserve(snapshot, "UNI", market_price=10**8),
        lambda snapshot: replace(snapshot, sequencer=a_sequencer(up=False)),
        lambda snapshot: with_vault(snapshot, paused=True),
        lambda snapshot: replace(snapshot, keeper_has_role=False),
        lambda snapshot: replace(snapshot, keeper_balance_wei=0),
        lambda snapshot: with_vault(snapshot, last_rebalance=NOW),
        lambda snapshot: with_block(snapshot, base_fee_wei=10**12),
    ],
)
@pytest.mark.parametrize("urgency", [ROUTINE, OUT_OF_BAND])
def test_one_failed_limit_is_enough_to_hold_back(
    spoil: Callable[[MarketSnapshot], MarketSnapshot], urgency: Urgency
) -> None:
    trade = a_trade(spoil(a_snapshot()), urgency=urgency)
    assert [gate.name for gate in judged_limits(trade) if holds_back(gate, trade)]


def test_limits_follow_the_urgency_table() -> None:
    policy = with_limits(a_policy(), ROUTINE, cooldown_s=9 * DAY)
    assert not limit("cooldown", a_trade(policy=policy, urgency=ROUTINE)).passed
    assert limit("cooldown", a_trade(policy=policy, urgency=OUT_OF_BAND)).passed


def test_a_fallen_market_is_no_reason_for_a_gate_to_fail_by_itself() -> None:
    trade = a_trade(with_market_move(a_snapshot(weights=target_weights()), 0.8))
    assert [gate.name for gate in judged_limits(trade) if holds_back(gate, trade)] == []

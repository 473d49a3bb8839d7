"""What waits in the line of redemptions is no part of what is levered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.observation import Observation
from keeper.sizing.redemptions import cash_share, missing_usd, queued_share
from keeper.sizing.size import size
from tests.factories import (
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_holding,
    with_redemptions,
    with_reserve,
)
from tests.properties import examples

USDC = 10**6


def test_without_a_queue_or_with_an_empty_one_the_target_is_the_same_to_the_bit() -> None:
    plain = size(a_model(), Observation(a_snapshot()), a_policy())
    assert size(a_model(), Observation(with_redemptions(a_snapshot(), 0.0)), a_policy()) == plain
    assert queued_share(a_snapshot(), 1e6) == 0.0
    assert cash_share(0.0, 0.01) == 0.01


@given(st.floats(0.0, 1.0), st.floats(0.1, 3.0), st.floats(1.5, 5.0), st.floats(0.0, 0.2))
@examples(60)
def test_the_target_is_that_of_the_nav_without_the_queue(
    part: float, cap: float, floor: float, buffer: float
) -> None:
    policy = a_policy(
        size=a_size_policy(
            max_leverage=cap, min_health_factor=floor, idle_buffer=buffer, target_volatility=3.0
        )
    )
    snapshot = a_snapshot(nav_usd=1e9)
    whole = size(a_model(), Observation(with_redemptions(snapshot, part)), policy)
    stays = a_snapshot(nav_usd=1e9 * (1 - part)) if part < 1 else snapshot
    alone = size(a_model(), Observation(stays), policy)
    assert whole.leverage == pytest.approx((1 - part) * alone.leverage, rel=1e-6, abs=1e-6)
    assert whole.weights == pytest.approx([(1 - part) * w for w in alone.weights], rel=1e-6, abs=1e-6)
    if part < 1:
        assert whole.binding == alone.binding
        assert whole.health_factor == pytest.approx(alone.health_factor, rel=1e-6)


def test_limits_in_dollars_apply_to_the_nav_without_the_queue() -> None:
    tight = with_reserve(a_snapshot(nav_usd=1e9), "USDC", borrow_cap=801_000_000)
    policy = a_policy(size=a_size_policy(target_volatility=3.0, market_share=1.0))
    half = size(a_model(), Observation(with_redemptions(tight, 0.5)), policy)
    assert half.leverage > 0.5 * size(a_model(), Observation(tight), policy).leverage


def test_with_all_shares_queued_the_target_is_cash() -> None:
    target = size(a_model(), Observation(with_redemptions(a_snapshot(), 1.0)), a_policy())
    assert target.weights == (0.0, 0.0, 0.0, 0.0)
    assert cash_share(1.0, 0.01) == 1.0


def test_what_is_missing_is_what_the_idle_cash_does_not_cover() -> None:
    snapshot = with_redemptions(a_snapshot(weights=(0.5, 0.5, 0.0, 0.0)), 0.3)
    assert missing_usd(snapshot) == pytest.approx(300_000)
    assert missing_usd(with_holding(snapshot, "USDC", idle=250_000 * USDC)) == pytest.approx(50_000)
    assert missing_usd(with_holding(snapshot, "USDC", idle=400_000 * USDC)) == 0.0


def test_no_more_than_all_of_nav_is_queued_and_nothing_of_a_vault_without_value() -> None:
    snapshot = with_redemptions(a_snapshot(), 0.5)
    assert queued_share(snapshot, 1e6) == pytest.approx(0.5)
    assert queued_share(snapshot, 0.4e6) == 1.0
    assert queued_share(snapshot, 0.0) == queued_share(snapshot, -1.0) == 0.0


def test_a_queue_without_a_share_price_asks_for_nothing() -> None:
    found = with_redemptions(a_snapshot(), 0.5)
    assert found.redemptions is not None
    unpriced = replace(found, redemptions=replace(found.redemptions, value=0))
    assert queued_share(unpriced, 1e6) == 0.0 == missing_usd(unpriced)

"""The vault's limits win where they are tighter, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.domain.policy import Policy
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from keeper.sizing.tighten import Tightened, tighten
from tests.factories import a_policy, a_vault, a_vault_asset, a_vault_policy


def tightened_by(**changes: Any) -> tuple[Policy, tuple[Tightened, ...]]:
    return tighten(a_policy(), a_vault(policy=a_vault_policy(**changes)))


def test_a_looser_vault_changes_nothing() -> None:
    policy, found = tightened_by()
    assert policy == a_policy()
    assert found == ()


def test_an_equal_vault_changes_nothing() -> None:
    assert tightened_by(max_leverage=2 * WAD, min_health=WAD * 14 // 10, max_loss_bps=75)[1] == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_leverage": WAD * 15 // 10}, [("size.max_leverage", 2.0, 1.5)]),
        (
            {"min_health": 2 * WAD},
            [("size.min_health_factor", 1.4, 2.0), ("decision.safe_health_factor", 1.45, 2.0)],
        ),
        ({"ripcord_health": WAD * 125 // 100}, [("decision.act_health_factor", 1.2, 1.25)]),
        ({"max_gap_bps": 100}, [("decision.max_oracle_gap_bps", 150, 100)]),
        (
            {"min_interval": 7_200},
            [
                ("decision.urgency.routine.cooldown_s", 3_600, 7_200),
                ("decision.urgency.out_of_band.cooldown_s", 1_800, 7_200),
            ],
        ),
    ],
)
def test_a_tighter_vault_wins_and_is_named(
    changes: dict[str, int], expected: list[tuple[str, float, float]]
) -> None:
    _, found = tightened_by(**changes)
    assert [(one.field, one.ours, one.vaults) for one in found] == expected


def test_the_vaults_values_are_used() -> None:
    policy, _ = tightened_by(
        max_leverage=WAD * 15 // 10,
        min_health=2 * WAD,
        min_interval=7_200,
        max_gap_bps=90,
    )
    assert policy.size.max_leverage == 1.5
    assert policy.size.min_health_factor == 2.0
    assert policy.decision.max_oracle_gap_bps == 90
    assert [row.max_slippage_bps for row in policy.decision.limits] == [50, 75, 300]
    assert [row.cooldown_s for row in policy.decision.limits] == [7_200, 7_200, 0]


def test_a_deleveraging_ends_where_nobody_else_may_begin_one() -> None:
    policy, _ = tightened_by(min_health=WAD * 17 // 10, ripcord_health=WAD * 16 // 10)
    assert policy.decision.act_health_factor == 1.6
    assert policy.decision.safe_health_factor == 1.7


def test_no_swap_may_lose_more_than_the_vault_lets_the_loosest_asset_lose() -> None:
    assets = tuple(
        a_vault_asset(symbol, slippage_bps=60 if symbol == "LINK" else 40)
        for symbol in ("USDC", "WBTC", "WETH", "LINK", "UNI")
    )
    policy, found = tighten(a_policy(), a_vault(assets=assets))
    assert [row.max_slippage_bps for row in policy.decision.limits] == [50, 60, 60]
    assert [setting.vaults for setting in found] == [60, 60]


def test_an_emergency_need_not_wait_for_the_vaults_interval() -> None:
    policy, _ = tightened_by(min_interval=86_400)
    assert policy.decision.at(Urgency.EMERGENCY).cooldown_s == 0


def test_an_assets_weight_is_capped_by_the_vaults() -> None:
    assets = tuple(
        a_vault_asset(symbol, max_weight_bps=4_000 if symbol == "LINK" else 20_000)
        for symbol in ("USDC", "WBTC", "WETH", "LINK", "UNI")
    )
    policy, found = tighten(a_policy(), a_vault(assets=assets))
    assert policy.asset("LINK").max_weight == 0.4
    assert found == (Tightened("assets.LINK.max_weight", 1.1, 0.4),)


def test_an_asset_the_vault_does_not_know_may_not_be_held() -> None:
    policy, found = tighten(a_policy(), a_vault(assets=(a_vault_asset("USDC"),)))
    assert [asset.max_weight for asset in policy.assets] == [0.0] * 4
    assert len(found) == 4

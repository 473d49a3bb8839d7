"""What is in the way: the first single limit without which the emergency call would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from keeper.domain.account_venue import AccountVenue
from keeper.domain.accounts import accounts, with_accounts
from keeper.domain.hindrances import Hindrance
from keeper.domain.market import Reserve
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
from keeper.drill.emergency import EmergencyCall, emergency_call
from keeper.drill.scene import Scene, with_snapshot

BY_LIMITS = frozenset({Hindrance.NO_PLAN, Hindrance.SINGLE_CALL, Hindrance.VAULT_LIMITS})
"""Verdicts that say what fails and not why."""
PLENTY = 10**30
DEEPER = 10**4


def explained(scene: Scene, tried: EmergencyCall) -> EmergencyCall:
    """The attempt with the limit that is in the way, tried in the order of ``RELAXED``; as it is where no single one
    is."""
    if tried.hindrance not in BY_LIMITS:
        return tried
    for hindrance, relaxed in RELAXED:
        if emergency_call(relaxed(scene)).hindrance is None:
            return replace(tried, hindrance=hindrance)
    return tried


def _deep_pools(scene: Scene) -> Scene:
    snapshot = scene.snapshot
    depths = tuple(
        replace(pool, liquidity=DEEPER * pool.liquidity, mean_liquidity=None) for pool in snapshot.depths
    )
    return with_snapshot(scene, replace(snapshot, depths=depths))


def _open_reserves(scene: Scene) -> Scene:
    """Of every account. What a market of Morpho Blue does not have stays inactive."""
    opened = [
        replace(account, reserves=tuple(_open(reserve, account.venue) for reserve in account.reserves))
        for account in accounts(scene.snapshot)
    ]
    return with_snapshot(scene, with_accounts(scene.snapshot, opened))


def _open(reserve: Reserve, venue: AccountVenue) -> Reserve:
    return replace(
        reserve,
        active=reserve.active or venue.market is None,
        frozen=False,
        paused=False,
        flash_loan_enabled=True,
        available=PLENTY,
    )


def _without_fee_cap(scene: Scene) -> Scene:
    policy = scene.policy
    return replace(scene, policy=replace(policy, plan=replace(policy.plan, max_fee_wei=PLENTY)))


def _free_gas(scene: Scene) -> Scene:
    snapshot = scene.snapshot
    block = replace(snapshot.block, base_fee_wei=0, gas_limit=PLENTY)
    return with_snapshot(scene, replace(snapshot, block=block, keeper_balance_wei=PLENTY, l1_fee_wei=0))


def _lenient_vault(scene: Scene) -> Scene:
    """Nothing was spent today, and calls may lose and move what they like; ours may too."""
    snapshot, policy = scene.snapshot, scene.policy
    vault = snapshot.vault
    limits = replace(
        vault.policy,
        target_health=100 * WAD,
        max_loss_bps=BPS,
        daily_loss_bps=BPS,
        daily_turnover_bps=100 * BPS,
        emergency_loss_bps=BPS // 2,
    )
    assets = tuple(replace(asset, slippage_bps=BPS // 2) for asset in vault.assets)
    rows = tuple(
        replace(row, max_slippage_bps=BPS // 2, max_trade=100.0, cooldown_s=0)
        if row.urgency is Urgency.EMERGENCY
        else row
        for row in policy.decision.limits
    )
    lenient = replace(
        vault, policy=limits, assets=assets, used_daily_loss=0.0, used_daily_turnover=0.0, reserved=0
    )
    return replace(
        with_snapshot(scene, replace(snapshot, vault=lenient, keeper_has_role=True)),
        policy=replace(policy, decision=replace(policy.decision, limits=rows)),
    )


RELAXED: tuple[tuple[Hindrance, Callable[[Scene], Scene]], ...] = (
    (Hindrance.FEE_CAP, _without_fee_cap),
    (Hindrance.GAS, _free_gas),
    (Hindrance.RESERVE, _open_reserves),
    (Hindrance.POOL_DEPTH, _deep_pools),
    (Hindrance.VAULT_LIMITS, _lenient_vault),
)

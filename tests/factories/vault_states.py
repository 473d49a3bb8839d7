"""A vault as ``keeper vault show`` reads it, with something in every part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.domain.line import Line
from keeper.domain.market import SwapPool
from keeper.domain.units import WAD
from keeper.domain.vault_state import (
    AccountHealth,
    AccountPosition,
    ListedAsset,
    RoleHolder,
    ShareTermsInForce,
    UsedWindows,
    VaultState,
)
from tests.factories.market import a_snapshot


def an_address(number: int) -> str:
    return f"0x{number:040x}"


def a_listed_asset(symbol: str, decimals: int, **changes: Any) -> ListedAsset:
    asset = ListedAsset(
        symbol=symbol,
        token=an_address(decimals),
        decimals=decimals,
        feed=an_address(decimals + 100),
        max_age_s=3_900,
        price=10**8,
        fault="",
        idle=2_500 * 10**decimals,
        dust=10 ** (decimals - 1),
        max_weight_bps=11_000,
        slippage_bps=100,
        lag_bps=50,
        enabled=True,
        borrowable=symbol == "USDC",
    )
    return replace(asset, **changes)


def a_vault_state(**changes: Any) -> VaultState:
    """250,000 USDC of net assets in as many shares; a batch of redemptions is closed, deposits are collected."""
    snapshot = a_snapshot()
    now = snapshot.block.timestamp
    state = VaultState(
        block=snapshot.block,
        address=an_address(1),
        name="Risk Parity Vault",
        symbol="RPV",
        share_decimals=12,
        registry=an_address(2),
        portfolio=an_address(3),
        rebalancer=an_address(4),
        roles=(
            RoleHolder("admin", an_address(5), delay_s=172_800),
            RoleHolder("keeper", an_address(6)),
            RoleHolder("guardian", an_address(7)),
            RoleHolder("operations", an_address(8)),
        ),
        paused=False,
        silent=False,
        closed=False,
        last_seen=now - 60,
        silence_s=30 * 86_400,
        epoch=7,
        last_call=now - 3_600,
        levering_closed_until=now + 600,
        policy=snapshot.vault.policy,
        used=UsedWindows(loss=0.004, turnover=0.8, guardian_loss=0.0),
        net_assets=250_000 * 10**6,
        fairly_priced=True,
        total_shares=250_000 * 10**12,
        reserved=10_000 * 10**6,
        assets=(a_listed_asset("USDC", 6), a_listed_asset("WETH", 18, fault="gap")),
        accounts=(
            AccountHealth(
                an_address(9),
                2 * WAD,
                positions=(
                    AccountPosition(an_address(9), "USDC", 6, supplied=0, owed=50_000 * 10**6),
                    AccountPosition(an_address(9), "WETH", 18, supplied=100 * 10**18, owed=0),
                ),
            ),
        ),
        pools=(SwapPool(an_address(10), ("WETH", "USDC"), 500),),
        terms=ShareTermsInForce(10**12, True, 100, 1_000, 5, an_address(11)),
        batch_interval_s=3_600,
        line=Line(now, 0, now - 7_200, pending_assets=10**9, pending_shares=10**16),
    )
    return replace(state, **changes)

"""Anybody can send the vault tokens; that must never keep it from rebalancing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import StepKind
from tests.factories import a_policy, a_snapshot, with_holding, with_reserve, with_vault
from tests.planning.ledger import Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.plans import planned

THREE_LINK = 3 * 10**18
HELD = (0.2, 0.2, 0.0, 0.1)


def with_donation() -> MarketSnapshot:
    return with_holding(a_snapshot(weights=HELD), "LINK", idle=THREE_LINK)


def keeping_the_donation(snapshot: MarketSnapshot) -> tuple[float, ...]:
    """More WBTC and WETH, LINK and UNI as they are: the plan has no reason of its own to move those."""
    return (0.3, 0.3, *Ledger(snapshot).weights()[2:])


def supplied_symbols(snapshot: MarketSnapshot) -> set[str]:
    plan = planned(a_decision(snapshot, keeping_the_donation(snapshot)), snapshot, a_policy())
    for filling in (at_its_limit, as_quoted):
        Ledger(snapshot).run(plan, filling)
    return {step.symbol for step in plan.steps if step.kind is StepKind.SUPPLY}


def test_a_donation_is_supplied_where_the_lending_market_takes_it() -> None:
    assert supplied_symbols(with_donation()) == {"WBTC", "WETH", "LINK"}


@pytest.mark.parametrize(
    "closed", [{"frozen": True}, {"paused": True}, {"active": False}, {"supply_cap": 12_000_000}]
)
def test_a_donation_of_what_the_lending_market_refuses_is_left_alone(closed: dict[str, Any]) -> None:
    assert supplied_symbols(with_reserve(with_donation(), "LINK", **closed)) == {"WBTC", "WETH"}


def test_a_donation_of_what_the_vault_no_longer_buys_is_left_alone() -> None:
    snapshot = with_donation()
    assets = tuple(replace(asset, enabled=asset.symbol != "LINK") for asset in snapshot.vault.assets)
    assert supplied_symbols(with_vault(snapshot, assets=assets)) == {"WBTC", "WETH"}


def test_a_donation_is_sold_before_collateral_is_withdrawn() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.2, 0.2, 0.1, 0.1)), "LINK", idle=THREE_LINK)
    btc, eth, _, uni = Ledger(snapshot).weights()
    plan = planned(a_decision(snapshot, (btc, eth, 0.0, uni)), snapshot, a_policy())
    withdrawn, sold = plan.steps
    assert (withdrawn.kind, sold.kind) == (StepKind.WITHDRAW, StepKind.SWAP_EXACT_IN)
    assert sold.amount - withdrawn.amount == THREE_LINK

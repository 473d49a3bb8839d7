"""The leverage that several accounts carry together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.market import MarketSnapshot
from keeper.domain.model import TargetPortfolio
from keeper.domain.observation import Observation
from keeper.sizing.bounds import yield_of_collateral
from keeper.sizing.size import size
from tests.factories import (
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_aave_account,
    with_morpho_account,
    with_reserve,
)
from tests.sizing.test_bounds import a_basis

FIRST = a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.3, nav_usd=250_000.0)
SIZE = a_size_policy(target_volatility=9.0, max_leverage=9.0, scenarios=(), stress_sigmas=0.0)


def target(snapshot: MarketSnapshot, **changes: Any) -> TargetPortfolio:
    return size(a_model(), Observation(snapshot), a_policy(size=replace(SIZE, **changes)))


def accounts_bound(found: TargetPortfolio) -> tuple[float, str]:
    bound = next(bound for bound in found.bounds if bound.name == "accounts")
    return bound.leverage, bound.detail


def test_one_account_knows_no_such_bound() -> None:
    assert "accounts" not in {bound.name for bound in target(FIRST).bounds}


def test_an_empty_account_on_other_terms_only_raises_what_can_be_carried() -> None:
    """Morpho's market of one asset carries more than Aave, and an eMode more of all."""
    alone = target(FIRST)
    single = min(
        bound.leverage
        for bound in alone.bounds
        if bound.name in ("health_factor", "vault_health_factor", "borrowing_power")
    )
    morpho, _ = accounts_bound(target(with_morpho_account(FIRST, "WETH", 0.0, 0.0)))
    e_mode, _ = accounts_bound(target(with_aave_account(FIRST, {}, 0.0)))
    assert single * 0.97 < morpho < e_mode


def test_one_asset_s_deviations_count_for_the_account_that_holds_it() -> None:
    both = with_morpho_account(FIRST, "WETH", 0.0, 0.0)
    calm, _ = accounts_bound(target(both))
    stressed, why = accounts_bound(target(both, stress_sigmas=12.0))
    assert stressed < calm
    assert why.startswith("stress of account ")


def test_a_closed_debt_reserve_leaves_the_other_account_to_borrow_in() -> None:
    closed = with_reserve(FIRST, "USDC", borrowing_enabled=False)
    alone = target(closed)
    assert alone.leverage == pytest.approx(1.3, rel=1e-3)
    more, _ = accounts_bound(target(with_morpho_account(closed, "WETH", 0.0, 0.0)))
    assert more > 1.4


def test_debt_that_costs_more_than_it_is_worth_is_not_taken() -> None:
    dear = with_morpho_account(
        with_reserve(FIRST, "USDC", borrowing_enabled=False), "WETH", 0.0, 0.0, rate=0.9
    )
    leverage, why = accounts_bound(target(dear, max_borrow_rate=0.25))
    assert leverage == pytest.approx(1.3, rel=1e-3)
    assert "Aave" in why or "carry of account 1 on Morpho Blue" in why


def test_an_empty_vault_has_no_such_limit() -> None:
    empty = replace(FIRST, holdings=tuple(replace(h, idle=0, supplied=0, owed=0) for h in FIRST.holdings))
    leverage, _ = accounts_bound(target(with_morpho_account(empty, "WETH", 0.0, 0.0)))
    assert math.isinf(leverage)


def test_only_a_yield_that_every_account_would_earn_pays_for_debt() -> None:
    """Aave pays on WETH, and a market of Morpho Blue pays nothing on its collateral."""
    earning = with_reserve(FIRST, "WETH", supply_rate=0.05)
    both = a_basis(with_morpho_account(earning, "WETH", 0.0, 0.0))
    assert yield_of_collateral(a_basis(earning)) - yield_of_collateral(both) == pytest.approx(0.25 * 0.05)
    eighth = a_basis(with_aave_account(earning, {}, 0.0))
    assert yield_of_collateral(eighth) == yield_of_collateral(a_basis(earning))

"""Several accounts where one cannot change: it is no reason to sell what stands in the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import scipy.optimize

from keeper.domain.errors import SolverFailed
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import Bound
from keeper.domain.observation import Observation
from keeper.domain.placement import Placement
from keeper.domain.portfolio import portfolio
from keeper.sizing.account_floors import Floors
from keeper.sizing.account_terms import Terms
from keeper.sizing.placing import STAYING, placed
from keeper.sizing.programme import Programme
from keeper.sizing.size import size
from tests.factories import a_model, a_policy, a_size_policy, a_snapshot, with_morpho_account
from tests.sizing.test_placing import FLOORS, a_market, an_account, debts, two

NAV = 2_000_000.0
FIRST = a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.3, nav_usd=NAV)
LOW = with_morpho_account(FIRST, "WETH", 400_000.0, 300_000.0)
"""The Morpho account's health factor is 1.15, and the floor 1.4."""
SIZE = a_size_policy(scenarios=(), stress_sigmas=2.0)
CALM = replace(FLOORS, losses=())


def accounts_bound(snapshot: MarketSnapshot, **changes: Any) -> Bound:
    target = size(a_model(), Observation(snapshot), a_policy(size=replace(SIZE, **changes)))
    return next(bound for bound in target.bounds if bound.name == "accounts")


def stuck(snapshot: MarketSnapshot) -> MarketSnapshot:
    """Nothing can move on the other account's market: its rate model does not answer."""
    other = snapshot.others[0]
    reserves = tuple(replace(reserve, paused=True) for reserve in other.reserves)
    return replace(snapshot, others=(replace(other, reserves=reserves),))


def dry(snapshot: MarketSnapshot) -> MarketSnapshot:
    """No collateral can leave any account."""
    closed = [tuple(replace(r, available=0) for r in rows) for rows in (snapshot.reserves,)]
    others = tuple(
        replace(other, reserves=tuple(replace(r, available=0) for r in other.reserves))
        for other in snapshot.others
    )
    return replace(snapshot, reserves=closed[0], others=others)


@pytest.fixture
def unsolved(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The solver gives up, as at numbers that it cannot tell apart."""
    result = SimpleNamespace(status=4, message="numerical difficulties")
    monkeypatch.setattr(scipy.optimize, "linprog", lambda *_args, **_named: result)
    return iter(())


def test_an_account_in_which_nothing_can_move_lowers_no_other() -> None:
    healthy = accounts_bound(with_morpho_account(FIRST, "WETH", 400_000.0, 100_000.0))
    bound = accounts_bound(stuck(LOW))
    assert bound.leverage > portfolio(LOW).leverage
    assert bound.leverage > 0.8 * healthy.leverage


def test_where_no_leverage_keeps_the_floors_none_is_added_and_none_taken() -> None:
    low = dry(with_morpho_account(FIRST, "WETH", 1_000_000.0, 900_000.0))
    bound = accounts_bound(low, min_health_factor=2.6)
    assert bound.leverage == pytest.approx(portfolio(low).leverage)
    assert bound.detail.startswith("no more than now")


def test_what_an_unnamed_or_sold_asset_leaves_behind_is_held_at_any_leverage() -> None:
    """The target has none of what cannot leave."""
    account = an_account(0, 0.8, held_usd=(60.0,), min_usd=(60.0,))
    terms = two(account, an_account(1, 0.86), markets=(a_market(0.05, 0.05), a_market(0.05, 0.05)))
    kept = placed(terms, [40.0], 0.0, CALM)
    assert kept is not None
    assert kept.accounts[0].collateral_usd == (60.0,)
    assert math.fsum(debts(kept)) == pytest.approx(20.0)


@pytest.mark.usefixtures("unsolved")
def test_a_solver_that_fails_is_no_statement_about_the_accounts() -> None:
    bound = accounts_bound(LOW)
    assert bound.leverage == pytest.approx(portfolio(LOW).leverage)
    assert "numerical difficulties" in bound.detail


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_no_programme_takes_is_a_failure_by_name(bad: float) -> None:
    programme = Programme()
    column = programme.column("debt", cost=1.0)
    programme.at_most({column: bad}, 1.0, "")
    with pytest.raises(SolverFailed, match="was not solved"):
        programme.solved()


def test_what_has_no_solution_is_no_failure() -> None:
    programme = Programme()
    column = programme.column("debt", most=1.0)
    programme.equals({column: 1.0}, 2.0)
    assert programme.solved() is None


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6, 1e11])
def test_the_size_of_the_vault_changes_no_share(scale: float) -> None:
    """The solver's tolerances are absolute."""
    markets = (a_market(0.04, 0.09, 30.0 * scale), a_market(0.05, 0.20, 25.0 * scale))
    terms = two(an_account(0, 0.8), an_account(1, 0.86), markets=markets)
    found = placed(terms, [150.0 * scale], 45.0 * scale, CALM)
    assert debts(found) == pytest.approx((30.0 * scale, 15.0 * scale), rel=1e-6)


def test_an_account_below_its_floor_may_stay_there_and_not_fall() -> None:
    """1.2 of its debt is secured, and nothing more can come."""
    low = an_account(0, 0.8, held_usd=(60.0,), min_usd=(60.0,), most_usd=(60.0,), owed_usd=40.0)
    markets = (a_market(0.02, 0.02), a_market(0.08, 0.08, limit=0.0))
    terms = two(low, an_account(1, 0.86), markets=markets)
    assert placed(terms, [60.0], 40.0, CALM) is None
    kept = placed(terms, [60.0], 40.0, replace(CALM, no_worse=True), move_cost=STAYING)
    assert debts(kept) == (40.0, 0.0)
    assert placed(terms, [60.0], 41.0, replace(CALM, no_worse=True)) is None


# ------------------------------------------------------------ the share of a protocol


def shared(terms: Terms, floors: Floors, debt_usd: float = 50.0) -> Placement:
    found = placed(terms, [100.0], debt_usd, floors, move_cost=STAYING)
    assert found is not None
    return found


def test_the_share_of_a_protocol_holds_for_an_account_on_its_floor() -> None:
    """To move a dollar takes its debt along, which costs more than the dollar stood beyond the share."""
    held = an_account(0, 0.8, held_usd=(100.0,), owed_usd=57.0)
    markets = (a_market(0.05, 0.05), a_market(0.05, 0.05))
    terms = two(held, an_account(1, 0.8), markets=markets)
    found = shared(terms, replace(CALM, max_venue_share=0.6), 57.0)
    assert [account.collateral_usd[0] for account in found.accounts] == pytest.approx([60.0, 40.0], rel=1e-5)
    assert found.over_share == ""


def test_a_share_that_cannot_be_kept_is_named_with_what_is_in_its_way() -> None:
    held = an_account(0, 0.8, held_usd=(100.0,), owed_usd=50.0)
    markets = (a_market(0.05, 0.05), a_market(0.05, 0.05))
    other = an_account(1, 0.8, most_usd=(10.0,))
    found = shared(two(held, other, markets=markets), replace(CALM, max_venue_share=0.6))
    assert [account.collateral_usd[0] for account in found.accounts] == pytest.approx([90.0, 10.0], rel=1e-5)
    assert "30 USD stand beyond size.max_venue_share: WETH cannot be supplied more" in found.over_share
    alone = Terms(("WETH",), (held,), markets[:1], idle_usd=(0.0,))
    assert shared(alone, replace(CALM, max_venue_share=0.6)).over_share.endswith("no other protocol takes it")


def test_what_stays_idle_hides_no_change_of_accounts() -> None:
    """Half of the collateral is idle, and no account takes it."""
    first = an_account(0, 0.8, held_usd=(60.0,), owed_usd=30.0, most_usd=(60.0,))
    second = an_account(1, 0.8, most_usd=(40.0,))
    markets = (a_market(0.30, 0.30), a_market(0.02, 0.02))
    terms = replace(two(first, second, markets=markets), idle_usd=(60.0,))
    found = placed(terms, [120.0], 30.0, CALM)
    assert found is not None
    # 40 of the idle are supplied to the second account, and its debt is all that changes account.
    assert found.moved_usd == pytest.approx(40.0 * 0.8 / 1.4, rel=1e-6)


def test_a_margin_makes_no_limit_of_none() -> None:
    assert replace(CALM, max_venue_share=1.0).times(1.01).max_venue_share == 1.0
    assert replace(CALM, max_venue_share=0.6).times(1.2).max_venue_share == pytest.approx(0.5)


def test_a_small_account_keeps_its_floor_as_exactly_as_a_large_one() -> None:
    """Beside markets that lend thousands of times what the vault holds."""
    first = an_account(0, 0.8, held_usd=(100_000.0,), owed_usd=40_000.0)
    markets = (a_market(0.05, 0.05, 1e9), a_market(0.01, 0.01, 1e9))
    terms = two(first, an_account(1, 0.8, most_usd=(20.0,)), markets=markets)
    found = placed(terms, [100_020.0], 40_000.0, CALM)
    assert found is not None
    assert 20.0 * 0.8 / found.accounts[1].debt_usd >= 1.4 * (1.0 - 1e-6)

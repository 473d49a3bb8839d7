"""Collateral and debt over several accounts: at least cost of carry, within every floor, and what binds by name."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.account_venue import VenueKind
from keeper.domain.placement import Placement
from keeper.sizing.account_floors import Floors
from keeper.sizing.account_terms import AccountTerms, Chord, DebtLimit, MarketTerms, Terms, terms_of
from keeper.sizing.bounds import borrow_rate
from keeper.sizing.placing import STAYING, as_held, most_leverage, placed
from tests.factories import a_size_policy, a_snapshot, with_aave_account, with_morpho_account, with_reserve
from tests.properties import examples

FLOORS = Floors(
    health_factor=1.4,
    vault_health_factor=1.2,
    largest_loss=0.0,
    stress_health_factor=1.0,
    losses=((0.2, 0.2),),
    max_venue_share=1.0,
)
FIRST = a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.3, nav_usd=250_000.0)
DEAR = with_morpho_account(FIRST, "WETH", 0.0, 0.0, rate=0.12)
CHEAP = with_morpho_account(FIRST, "WETH", 0.0, 0.0, rate=0.01)
SIZE = a_size_policy()


def an_account(place: int, threshold: float, **changes: object) -> AccountTerms:
    """An account on a market of its own for one asset, or for as many as ``thresholds`` has."""
    kind = VenueKind.AAVE_V3 if place == 0 else VenueKind.MORPHO_BLUE
    account = AccountTerms(
        place=place,
        kind=kind,
        market=place,
        thresholds=(threshold,),
        ltvs=(threshold,),
        held_usd=(0.0,),
        min_usd=(0.0,),
        most_usd=(math.inf,),
        owed_usd=0.0,
        min_owed_usd=0.0,
    )
    return replace(account, **changes)  # type: ignore[arg-type]


def a_market(first: float, second: float, width: float = 50.0, limit: float = math.inf) -> MarketTerms:
    """The first ``width`` of debt costs ``first`` a year, what is beyond it ``second``."""
    return MarketTerms(
        most_usd=(math.inf,),
        debt_limits=(DebtLimit("liquidity", limit),),
        interest=(Chord(width, first), Chord(math.inf, second)),
        yields=((),),
    )


def two(*accounts: AccountTerms, markets: tuple[MarketTerms, ...]) -> Terms:
    return Terms(("WETH",), accounts, markets, idle_usd=(0.0,))


def debts(placement: Placement | None) -> tuple[float, ...]:
    assert placement is not None
    return tuple(account.debt_usd for account in placement.accounts)


def is_within(terms: Terms, placement: Placement, floors: Floors) -> bool:
    """Every account above its floors, but for rounding."""
    for account, held in zip(terms.accounts, placement.accounts, strict=True):
        for losses, floor in (
            (None, floors.health_factor),
            *((loss, floors.stress_health_factor) for loss in floors.losses),
        ):
            secured = math.fsum(
                value * threshold * (1.0 - (losses[index] if losses else 0.0))
                for index, (value, threshold) in enumerate(
                    zip(held.collateral_usd, account.thresholds, strict=True)
                )
            )
            if secured < floor * held.debt_usd - 1e-5:
                return False
    return True


@given(
    first=st.floats(0.01, 0.2),
    steeper=st.floats(0.0, 0.2),
    other=st.floats(0.01, 0.2),
    other_steeper=st.floats(0.0, 0.2),
    thresholds=st.tuples(st.floats(0.5, 0.95), st.floats(0.5, 0.95)),
    debt=st.floats(1.0, 60.0),
)
@examples(60)
def test_no_placement_on_a_grid_is_cheaper(
    first: float,
    steeper: float,
    other: float,
    other_steeper: float,
    thresholds: tuple[float, float],
    debt: float,
) -> None:
    """Brute force: 41 x 41 divisions of the collateral and of the debt between two accounts."""
    markets = (a_market(first, first + steeper, 20.0), a_market(other, other + other_steeper, 20.0))
    terms = two(an_account(0, thresholds[0]), an_account(1, thresholds[1]), markets=markets)
    floors = replace(FLOORS, losses=((0.2,),))
    best = placed(terms, [100.0], debt, floors)
    grid = [step / 40 for step in range(41)]

    def costs(market: MarketTerms, owed: float) -> float:
        near, far = market.interest
        return min(owed, near.width_usd) * near.rate + max(0.0, owed - near.width_usd) * far.rate

    def allowed(share: float, owed: float, threshold: float) -> bool:
        collateral = 100.0 * share * threshold
        return collateral >= 1.4 * owed - 1e-9 and 0.8 * collateral >= owed - 1e-9 and collateral >= owed

    feasible = [
        costs(markets[0], debt * owed) + costs(markets[1], debt * (1.0 - owed))
        for share, owed in product(grid, grid)
        if allowed(share, debt * owed, thresholds[0])
        and allowed(1.0 - share, debt * (1.0 - owed), thresholds[1])
    ]
    if best is None:
        assert not feasible
        return
    assert is_within(terms, best, floors)
    assert math.fsum(debts(best)) == pytest.approx(debt, abs=1e-5)
    assert best.carry_usd <= min(feasible, default=math.inf) + 1e-5


def test_debt_is_divided_where_both_cost_the_same_at_the_margin() -> None:
    markets = (a_market(0.04, 0.09, 30.0), a_market(0.05, 0.20, 25.0))
    terms = two(an_account(0, 0.8), an_account(1, 0.86), markets=markets)
    floors = replace(FLOORS, losses=())
    assert debts(placed(terms, [150.0], 45.0, floors)) == pytest.approx((30.0, 15.0))
    assert debts(placed(terms, [150.0], 60.0, floors)) == pytest.approx((35.0, 25.0))


def test_what_binds_is_named() -> None:
    floors = replace(FLOORS, losses=())
    cheap = (a_market(0.08, 0.08), a_market(0.02, 0.02, limit=10.0))
    terms = two(an_account(0, 0.8), an_account(1, 0.86), markets=cheap)
    dry = placed(terms, [150.0], 60.0, floors)
    assert dry is not None
    assert debts(dry) == pytest.approx((50.0, 10.0))
    assert dry.binding == "liquidity of account 1 on Morpho Blue"
    full = replace(terms, accounts=(terms.accounts[0], an_account(1, 0.86, most_usd=(20.0,))))
    capped = placed(full, [150.0], 60.0, floors)
    assert capped is not None
    assert capped.binding == "liquidity of account 1 on Morpho Blue"
    open_again = replace(full, markets=(cheap[0], a_market(0.02, 0.02)))
    held = placed(open_again, [150.0], 60.0, floors)
    assert held is not None
    assert debts(held)[1] == pytest.approx(20.0 * 0.86 / 1.4)
    assert held.binding == "health_factor of account 1 on Morpho Blue"
    # More than all accounts together carry.
    assert placed(terms, [100.0], 90.0, floors) is None


def test_a_floor_that_no_debt_keeps_leaves_none() -> None:
    floors = replace(FLOORS, health_factor=math.inf, losses=())
    terms = two(an_account(0, 0.8), an_account(1, 0.86), markets=(a_market(0.1, 0.1), a_market(0.1, 0.1)))
    assert placed(terms, [100.0], 1.0, floors) is None
    assert placed(terms, [100.0], 0.0, floors) is not None


def test_one_protocol_holds_at_most_its_share_where_another_can_take_the_rest() -> None:
    markets = (a_market(0.08, 0.08), a_market(0.02, 0.02))
    floors = replace(FLOORS, losses=(), max_venue_share=0.6)
    terms = two(an_account(0, 0.8), an_account(1, 0.86), markets=markets)
    shared = placed(terms, [100.0], 50.0, floors)
    assert shared is not None
    assert [account.collateral_usd[0] for account in shared.accounts] == pytest.approx([40.0, 60.0])
    closed = two(an_account(0, 0.8), an_account(1, 0.86, most_usd=(0.0,)), markets=markets)
    alone = placed(closed, [100.0], 50.0, floors)
    assert alone is not None
    assert alone.accounts[0].collateral_usd == (100.0,)


def test_what_cannot_leave_stays_and_what_cannot_be_repaid_is_owed() -> None:
    markets = (a_market(0.08, 0.08), a_market(0.02, 0.02))
    stuck = an_account(0, 0.8, held_usd=(60.0,), min_usd=(60.0,), owed_usd=20.0, min_owed_usd=20.0)
    terms = two(stuck, an_account(1, 0.86), markets=markets)
    found = placed(terms, [100.0], 40.0, replace(FLOORS, losses=()))
    assert found is not None
    assert found.accounts[0].collateral_usd[0] >= 60.0
    assert debts(found) == pytest.approx((20.0, 20.0))


def test_nothing_moves_where_staying_is_asked() -> None:
    markets = (a_market(0.30, 0.30), a_market(0.02, 0.02))
    first = an_account(0, 0.8, held_usd=(60.0,), owed_usd=30.0)
    second = an_account(1, 0.86, held_usd=(40.0,), owed_usd=10.0)
    terms, floors = two(first, second, markets=markets), replace(FLOORS, losses=())
    held = as_held(terms)
    staying = placed(terms, [100.0], 40.0, floors, move_cost=STAYING)
    assert staying is not None
    assert (staying.accounts, staying.moved_usd) == (held.accounts, 0.0)
    assert staying.carry_usd == pytest.approx(held.carry_usd) == pytest.approx(9.2)
    best = placed(terms, [100.0], 40.0, floors)
    assert best is not None
    assert best.carry_usd == pytest.approx(0.8)
    # 30 of debt, and as much collateral as that debt needs there.
    assert best.moved_usd >= 30.0 + 40.0 * 1.4 / 0.86 - 40.0 - 1e-6
    # A purchase goes where it is cheapest, and counts as no move.
    more = placed(terms, [140.0], 50.0, floors, move_cost=STAYING)
    assert more is not None
    assert more.moved_usd == pytest.approx(0.0, abs=1e-6)
    assert debts(more) == pytest.approx((30.0, 20.0))


def levered(
    terms: Terms, unit_usd: list[float], floors: Floors, *, own_usd: float, worth: float, most: float
) -> tuple[float, str]:
    found = most_leverage(terms, unit_usd, floors, own_usd=own_usd, worth=worth, most=most)
    assert found is not None
    return found


def test_the_most_leverage_is_what_all_accounts_carry_together() -> None:
    floors = replace(FLOORS, health_factor=1.6, losses=())
    terms = two(an_account(0, 0.8), markets=(a_market(0.05, 0.05),))
    # h / (h - LT) = 1.6 / 0.8.
    leverage, binding = levered(terms, [100.0], floors, own_usd=100.0, worth=math.inf, most=9.0)
    assert leverage == pytest.approx(2.0)
    assert binding == "health_factor of account 0 on Aave V3"
    assert levered(terms, [100.0], floors, own_usd=90.0, worth=math.inf, most=9.0)[0] == pytest.approx(1.8)
    assert levered(terms, [100.0], floors, own_usd=100.0, worth=math.inf, most=1.5)[0] == pytest.approx(1.5)
    # Only what costs less than it is worth is borrowed.
    dear = two(an_account(0, 0.8), markets=(a_market(0.05, 0.30, 40.0),))
    leverage, binding = levered(dear, [100.0], floors, own_usd=100.0, worth=0.2, most=9.0)
    assert leverage == pytest.approx(1.4)
    assert binding == "carry_worth of account 0 on Aave V3"
    # A dry market of its own, and another that lends.
    dry = two(
        an_account(0, 0.8), an_account(1, 0.8), markets=(a_market(0.05, 0.05, limit=0.0), a_market(0.1, 0.1))
    )
    assert levered(dry, [100.0], floors, own_usd=100.0, worth=math.inf, most=9.0)[0] == pytest.approx(2.0)


def test_the_terms_are_those_of_the_venues() -> None:
    terms = terms_of(DEAR, DEAR.risk_symbols, SIZE)
    aave, morpho = terms.accounts
    weth = DEAR.risk_symbols.index("WETH")
    assert morpho.thresholds[weth] == pytest.approx(0.86)
    assert [morpho.thresholds[i] for i in range(4) if i != weth] == [0.0, 0.0, 0.0]
    assert aave.thresholds[weth] == pytest.approx(FIRST.reserve("WETH").liquidation_threshold_bps / 1e4)
    assert aave.ltvs[weth] == pytest.approx(FIRST.reserve("WETH").ltv_bps / 1e4)
    assert aave.owed_usd == pytest.approx(75_000.0)
    first, second = terms.markets
    reserve = FIRST.reserves[0]
    lent = reserve.borrowed / (reserve.available + reserve.borrowed)
    assert first.interest[0].rate == pytest.approx(borrow_rate(reserve.curve, lent), rel=0.01)
    assert second.interest[0].rate == pytest.approx(0.12, rel=0.02)
    rates = [chord.rate for chord in second.interest]
    assert rates == sorted(rates)
    # 2 % of the market's 200 million until 92 % are lent.
    assert {limit.name: limit.most_usd for limit in second.debt_limits}["utilisation"] == pytest.approx(
        4e6, rel=1e-3
    )


def test_accounts_on_one_pool_share_its_reserves() -> None:
    terms = terms_of(with_aave_account(FIRST, {"WETH": 10_000.0}, 5_000.0), FIRST.risk_symbols, SIZE)
    assert [account.market for account in terms.accounts] == [0, 0]
    assert len(terms.markets) == 1


def test_the_cheaper_debt_is_taken_on_the_real_terms() -> None:
    floors = replace(FLOORS, losses=((0.4,) * 4,))
    for dear_or_cheap, at in ((DEAR, 0), (CHEAP, 1)):
        # Else Aave's yield on the collateral counts more than the interest.
        snapshot = with_reserve(dear_or_cheap, "WETH", supply_rate=0.0)
        terms = terms_of(snapshot, snapshot.risk_symbols, SIZE)
        found = placed(terms, [81_250.0] * 4, 75_000.0, floors, move_cost=1e-4)
        assert found is not None
        other = debts(found)[1 - at]
        # Morpho carries what one asset secures after the loss, and Aave the rest.
        assert debts(found)[at] > other
        assert found.carry_usd <= as_held(terms).carry_usd + 1e-6


def test_a_frozen_or_paused_reserve_takes_and_gives_nothing() -> None:
    frozen = with_reserve(DEAR, "WETH", frozen=True)
    weth = DEAR.risk_symbols.index("WETH")
    account = terms_of(frozen, DEAR.risk_symbols, SIZE).accounts[0]
    assert account.most_usd[weth] == account.held_usd[weth] > account.min_usd[weth] == 0.0
    paused = terms_of(with_reserve(DEAR, "WETH", paused=True), DEAR.risk_symbols, SIZE).accounts[0]
    assert paused.min_usd[weth] == paused.held_usd[weth] == paused.most_usd[weth]
    unpayable = terms_of(with_reserve(DEAR, "USDC", paused=True), DEAR.risk_symbols, SIZE)
    assert unpayable.accounts[0].min_owed_usd == unpayable.accounts[0].owed_usd
    closed = unpayable.markets[0].debt_limits[0]
    assert (closed.name, closed.levering) == ("borrow_cap", False)
    assert closed.most_usd == pytest.approx(unpayable.accounts[0].owed_usd)

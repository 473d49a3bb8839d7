"""Several accounts of one vault in one snapshot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.account_venue import VenueKind
from keeper.domain.accounts import accounts, in_need, showing, shown_in_turn, to_lower, why_stuck
from keeper.domain.market import MarketSnapshot, Reserve, Trust
from keeper.domain.other_prices import at_prices
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD
from keeper.journal.codec import decode, encode
from keeper.lending.venues import lowest_health_factor, venue_of
from tests.factories import (
    a_snapshot,
    with_aave_account,
    with_feed,
    with_morpho_account,
    with_reserve,
    with_vault_policy,
)

FIRST = a_snapshot(weights=(0.3, 0.3, 0.2, 0.2), leverage=1.5)
THREE = with_morpho_account(
    with_aave_account(FIRST, {"WBTC": 200_000.0}, 100_000.0), "WETH", 300_000.0, 200_000.0
)
"""Health factors 2.3, 1.7 and 1.29."""


def as_read(snapshot: MarketSnapshot) -> tuple[object, ...]:
    return accounts(snapshot)


def test_the_vault_is_worth_what_all_of_its_accounts_hold_less_what_they_owe() -> None:
    one, all_ = portfolio(FIRST), portfolio(THREE)
    assert all_.nav_usd == pytest.approx(one.nav_usd + 100_000.0 + 100_000.0, rel=1e-6)
    assert all_.debt_usd == pytest.approx(one.debt_usd + 300_000.0, rel=1e-6)
    assert all_.values_usd[0] == pytest.approx(one.values_usd[0] + 200_000.0, rel=1e-6)
    assert all_.health_factor == pytest.approx(0.86 * 300 / 200, rel=1e-6)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_whatever_account_a_snapshot_shows_it_is_the_same_vault(place: int) -> None:
    seen = showing(THREE, place)
    assert seen.venue.place == place
    assert as_read(seen) == as_read(THREE)
    assert portfolio(seen) == portfolio(THREE)
    assert showing(seen, 0) == THREE
    assert decode(encode(seen, MarketSnapshot), MarketSnapshot) == seen


def test_each_account_is_judged_by_its_own_venues_formulas() -> None:
    names = [type(venue_of(seen)).__name__ for seen in shown_in_turn(THREE)]
    assert names == ["AaveV3", "AaveV3", "MorphoBlue"]
    assert [seen.venue.kind for seen in shown_in_turn(THREE)][2] is VenueKind.MORPHO_BLUE
    assert lowest_health_factor(THREE) == pytest.approx(THREE.lowest_health / WAD, rel=1e-9)


def test_a_place_without_an_account_is_refused() -> None:
    with pytest.raises(KeyError):
        showing(THREE, 3)


def test_the_account_with_the_lowest_health_factor_is_lowered_first() -> None:
    assert to_lower(THREE).venue.place == 2
    assert to_lower(to_lower(THREE)) == to_lower(THREE)
    assert to_lower(FIRST) is FIRST


@pytest.mark.parametrize("left", [0, 1, 10**7])
def test_an_account_that_gives_nothing_back_waits_for_one_that_does(left: int) -> None:
    """WETH of the first account cannot leave Aave, or dust of it can; the others can be lowered."""
    closed = FIRST
    for symbol in FIRST.risk_symbols:
        closed = with_reserve(closed, symbol, available=left if symbol == "WETH" else 0)
    lowest = replace(FIRST.account, health_factor=11 * WAD // 10)
    dry = with_aave_account(replace(closed, account=lowest), {"WBTC": 200_000.0}, 100_000.0)
    other = replace(dry.others[0], reserves=FIRST.reserves)
    assert to_lower(replace(dry, others=(other,))).venue.place == 1
    # Where nothing can be lowered, the one nearest to liquidation is named.
    assert to_lower(dry).venue.place == 0
    # Idle cash repays any debt.
    cash = replace(dry.holdings[0], idle=10**11)
    assert to_lower(replace(dry, others=(other,), holdings=(cash, *dry.holdings[1:]))).venue.place == 0


@pytest.mark.parametrize(
    ("cash", "paused", "place"), [(0, False, 1), (150_000, False, 1), (250_000, False, 1), (250_000, True, 1)]
)
def test_no_deleverage_lowers_an_account_without_a_price(cash: int, paused: bool, place: int) -> None:
    """Its health factor is 0 until all debt is repaid, and then it is beyond the vault's target: the vault refuses both."""
    dead = THREE.others[1]
    reserves = tuple(replace(reserve, paused=paused, available=0) for reserve in dead.reserves)
    dead = replace(dead, reserves=reserves, account=replace(dead.account, health_factor=0))
    idle = replace(THREE.holdings[0], idle=cash * 10**6)
    held = replace(THREE, others=(THREE.others[0], dead), holdings=(idle, *THREE.holdings[1:]))
    assert to_lower(held).venue.place == place
    alone = replace(held, others=(replace(held.others[0], owed=(0,) * 5), dead))
    debt_free = replace(alone, holdings=tuple(replace(each, owed=0) for each in alone.holdings))
    assert to_lower(debt_free).venue.place == 0, "an account that owes nothing, which needs no deleverage"


@pytest.mark.parametrize("trust", [Trust.STALE, Trust.SUSPECT, Trust.DEAD])
def test_an_account_whose_collateral_has_no_price_to_sell_at_waits_for_another_in_need(trust: Trust) -> None:
    """The lowest holds WETH alone. In an emergency a STALE or SUSPECT price sells."""
    held = with_feed(THREE, "WETH", trust=trust)
    assert to_lower(held).venue.place == (1 if trust is Trust.DEAD else 2)
    assert bool(why_stuck(held, in_need(held))) is (trust is Trust.DEAD)


def test_a_stale_feed_that_the_lending_market_reads_as_well_sells_nothing() -> None:
    feed = THREE.feeds[THREE.index("WETH")]
    old = replace(feed.round, updated_at=THREE.block.timestamp - feed.max_age_s - 1)
    stale = with_feed(THREE, "WETH", trust=Trust.STALE, round=old)
    assert to_lower(stale).venue.place == 2
    same = tuple(replace(other, reserves=_read_from(other.reserves, feed.feed)) for other in stale.others)
    shown = with_reserve(replace(stale, others=same), "WETH", price_source=feed.feed)
    assert to_lower(shown).venue.place == 1


def _read_from(reserves: tuple[Reserve, ...], source: str) -> tuple[Reserve, ...]:
    return tuple(
        replace(reserve, price_source=source) if reserve.symbol == "WETH" else reserve for reserve in reserves
    )


def test_cash_that_the_line_reserves_lowers_no_account_before_an_emergency() -> None:
    """The lowest can give nothing back, and only the line's cash could repay it."""
    dead = with_feed(THREE, "WETH", trust=Trust.DEAD)
    idle = replace(dead.holdings[0], idle=10**11)
    held = replace(dead, holdings=(idle, *dead.holdings[1:]))
    assert to_lower(held).venue.place == 2
    reserved = replace(held, vault=replace(held.vault, reserved=10**11))
    assert to_lower(with_vault_policy(reserved, emergency_health=12 * WAD // 10)).venue.place == 1
    assert to_lower(with_vault_policy(reserved, emergency_health=13 * WAD // 10)).venue.place == 2


def test_a_fall_reaches_every_account() -> None:
    prices = {symbol: THREE.price(symbol) * 9 // 10 for symbol in THREE.risk_symbols}
    fallen = at_prices(THREE, prices)
    for before, after in zip(accounts(THREE), accounts(fallen), strict=True):
        assert after.account.health_factor == pytest.approx(0.9 * before.account.health_factor, rel=1e-6)
        assert after.account.collateral_base == pytest.approx(0.9 * before.account.collateral_base, rel=1e-6)
    assert lowest_health_factor(fallen) == pytest.approx(fallen.lowest_health / WAD, rel=1e-6)

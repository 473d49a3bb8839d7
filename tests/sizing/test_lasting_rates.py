"""Where a market's rate moves by itself, debt that changes market does not come back because of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import SECONDS_PER_DAY, SECONDS_PER_YEAR, WAD
from keeper.lending.adaptive_curve import AdaptiveCurve
from keeper.sizing.account_terms import terms_of
from keeper.sizing.placing import placed
from tests.factories import a_size_policy, a_snapshot, with_morpho_account, with_reserve
from tests.properties import examples
from tests.sizing.test_placing import FLOORS

HORIZON_S = 30 * SECONDS_PER_DAY
STEP_S = 3 * SECONDS_PER_DAY
SIZE = a_size_policy(max_utilisation=0.99, market_share=1.0)
FIRST = with_reserve(
    a_snapshot(weights=(0.0, 1.3, 0.0, 0.0), leverage=1.3, nav_usd=3_000_000.0), "WETH", supply_rate=0.0
)


@dataclass(frozen=True)
class Market:
    """What others lent and borrowed, USD. Only the vault moves, and the curve. Morpho adds interest as time passes;
    here both sums stay."""

    supplied: float
    borrowed: float
    at_target: float
    owed: float

    def snapshot(self) -> MarketSnapshot:
        """The WETH stands where the debt is, so no floor is in the way."""
        seen = with_morpho_account(FIRST, "WETH", 2.0 * self.owed, self.owed, lendable_usd=1.0)
        other = seen.others[0]
        assert other.venue.market is not None
        market = replace(
            other.venue.market,
            total_supply=round(self.supplied * 1e6),
            total_borrow=round((self.borrowed + self.owed) * 1e6),
            rate_at_target=round(self.at_target * WAD / SECONDS_PER_YEAR),
            elapsed_s=0,
        )
        reserves = tuple(
            replace(
                reserve,
                supplied=market.total_supply,
                borrowed=market.total_borrow,
                available=market.total_supply - market.total_borrow,
            )
            if reserve.symbol == "USDC"
            else reserve
            for reserve in other.reserves
        )
        return replace(
            seen, others=(replace(other, reserves=reserves, venue=replace(other.venue, market=market)),)
        )

    def later(self) -> Market:
        curve = AdaptiveCurve(round(self.at_target * WAD / SECONDS_PER_YEAR))
        sums = round((self.borrowed + self.owed) * 1e6), round(self.supplied * 1e6)
        after = curve.after(*sums, STEP_S).rate_at_target
        return replace(self, at_target=after * SECONDS_PER_YEAR / WAD)


def chosen(market: Market, horizon_s: int) -> float:
    """Debt on Morpho, of a million, at least interest and free of any cost of moving."""
    terms = terms_of(market.snapshot(), ("WETH",), SIZE, horizon_s=horizon_s)
    free = [replace(account, owed_usd=0.0, held_usd=(0.0,)) for account in terms.accounts]
    found = placed(
        replace(terms, accounts=tuple(free)), [3_900_000.0], 1_000_000.0, replace(FLOORS, losses=())
    )
    assert found is not None
    return found.accounts[1].debt_usd


def debts(market: Market, horizon_s: int = HORIZON_S) -> list[float]:
    """At each step of the horizon, the first being what is owed at its beginning."""
    path = [market.owed]
    for _ in range(HORIZON_S // STEP_S):
        market = replace(market, owed=chosen(market, horizon_s))
        path.append(market.owed)
        market = market.later()
    return path


def turns(path: list[float]) -> float:
    """USD that moved against the way that the debt took first."""
    steps = [after - before for before, after in pairwise(path)]
    first = next((step for step in steps if abs(step) > 1_000.0), 0.0)
    return max((-step if first > 0.0 else step for step in steps), default=0.0) if first else 0.0


@given(
    lent=st.floats(0.3, 0.98),
    at_target=st.floats(0.005, 0.2),
    supplied=st.floats(2e6, 30e6),
    owed=st.floats(0.0, 1e6),
)
@examples(40)
def test_debt_that_changed_market_does_not_return_within_the_horizon(
    lent: float, at_target: float, supplied: float, owed: float
) -> None:
    market = Market(supplied, min(lent * supplied, 0.999 * supplied - owed), at_target, owed)
    path = debts(market)
    assert turns(path) < 2_000.0, path


def test_at_the_rate_of_the_moment_it_does_return() -> None:
    """So the test can fail: the debt leaves a dear market, whose rate falls as little is borrowed there, and comes back
    within three weeks."""
    market = Market(8.66e6, 5.8e6, 0.06, 916_000.0)
    assert turns(debts(market, horizon_s=0)) > 300_000.0
    assert turns(debts(market)) < 2_000.0


def test_what_is_owed_costs_the_lowest_rate_ahead_and_more_debt_the_highest() -> None:
    market = Market(10e6, 4e6, 0.04, 500_000.0)
    now, ahead = (
        terms_of(market.snapshot(), ("WETH",), SIZE, horizon_s=seconds).markets[1].interest
        for seconds in (0, HORIZON_S)
    )
    curve = AdaptiveCurve(round(0.04 * WAD / SECONDS_PER_YEAR))
    grown = curve.after(4_500_000, 10_000_000, HORIZON_S).rate_at_target / curve.rate_at_target
    assert grown == pytest.approx(0.13, abs=0.02)
    assert ahead[0].rate / now[0].rate == pytest.approx(grown, rel=0.3)
    widths = [chord.width_usd for chord in ahead]
    within = next(place for place in range(1, len(ahead)) if sum(widths[:place]) >= 500_000.0 - 1.0)
    assert ahead[within].rate == pytest.approx(now[within].rate, rel=1e-6)
    full = Market(10e6, 9.2e6, 0.04, 0.0)
    now, ahead = (
        terms_of(full.snapshot(), ("WETH",), SIZE, horizon_s=seconds).markets[1].interest
        for seconds in (0, HORIZON_S)
    )
    assert ahead[0].rate > 1.5 * now[0].rate

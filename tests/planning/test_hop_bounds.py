"""A route of two hops is refused where the vault would refuse one of them, although the whole is good enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.errors import NothingFeasible
from keeper.domain.plan import Quote, Route
from keeper.planning.fills import best_fills, minimum_price
from keeper.planning.hop_bounds import within_hop_bounds
from keeper.planning.netting import Trade
from keeper.planning.quotes import quote_requests
from keeper.planning.split import by_route
from tests.factories import a_snapshot
from tests.planning.plans import some_terms

SNAPSHOT = a_snapshot()
AMOUNT = 1_000 * 10**18
ROUTE = Route(("LINK", "WETH", "USDC"), (3000, 500))
FIRST, SECOND = Route(("LINK", "WETH"), (3000,)), Route(("WETH", "USDC"), (500,))
TRADE = Trade("LINK", "USDC", AMOUNT, SNAPSHOT.value_usd("LINK", AMOUNT))
TERMS = some_terms(SNAPSHOT, 10_000)


def vaults_least(route: Route, amount: int) -> int:
    return minimum_price(route, SNAPSHOT, 10_000).out(amount)


@pytest.mark.parametrize(
    ("lost_first", "lost_second", "taken"), [(0, -700, True), (1, -700, False), (-700, 1, False)]
)
def test_a_hop_below_its_own_bound_refuses_the_route(lost_first: int, lost_second: int, taken: bool) -> None:
    """Losses beyond each hop's bound, in bps."""
    passed = vaults_least(FIRST, AMOUNT) * (10_000 - lost_first) // 10_000 + 1
    out = vaults_least(SECOND, passed) * (10_000 - lost_second) // 10_000 + 1
    assert out >= vaults_least(ROUTE, AMOUNT)
    quoted = by_route([Quote(ROUTE, AMOUNT, out, 0)])
    answers = {**quoted, **by_route([Quote(FIRST, AMOUNT, passed, 0)])}
    bounded = within_hop_bounds(quoted, answers, TERMS)
    assert (bounded[ROUTE][AMOUNT].amount_out is not None) is taken


def test_without_a_quote_of_the_first_hop_the_whole_route_decides() -> None:
    quoted = by_route([Quote(ROUTE, AMOUNT, vaults_least(ROUTE, AMOUNT), 0)])
    assert within_hop_bounds(quoted, quoted, TERMS) == quoted


def test_the_first_hop_of_each_route_of_two_is_asked_for_at_the_same_sizes() -> None:
    requests = quote_requests((TRADE,), SNAPSHOT)
    asked = {(request.route, request.amount_in) for request in requests}
    of_two = [request for request in requests if len(request.route.fees) == 2]
    assert of_two
    for request in of_two:
        assert (Route(request.route.symbols[:2], request.route.fees[:1]), request.amount_in) in asked


def test_a_refused_route_is_no_fill() -> None:
    quote = Quote(ROUTE, AMOUNT, vaults_least(SECOND, vaults_least(FIRST, AMOUNT)) * 2, 0)
    poor = by_route([Quote(FIRST, AMOUNT, vaults_least(FIRST, AMOUNT) - 1, 0)])
    best_fills(TRADE, by_route([quote]), TERMS)
    with pytest.raises(NothingFeasible):
        best_fills(TRADE, within_hop_bounds(by_route([quote]), poor, TERMS), TERMS)
    assert replace(quote, amount_out=None) == within_hop_bounds(by_route([quote]), poor, TERMS)[ROUTE][AMOUNT]

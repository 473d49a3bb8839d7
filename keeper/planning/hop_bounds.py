"""The vault holds each hop of a route against a price bound of its own (Portfolio._swap, StepChecks._rate)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from keeper.domain.plan import Quote, Route
from keeper.domain.units import BPS
from keeper.planning.fills import SwapTerms, minimum_price
from keeper.planning.quotes import first_hop
from keeper.planning.split import Answers, MinimumPrice


def within_hop_bounds(quoted: Answers, answers: Answers, terms: SwapTerms) -> Answers:
    """What was ``quoted`` of a trade's routes, without an amount where the vault would refuse one of two hops.

    One hop may lose more than the vault allows while the other gains, so the whole route does not show it. What the
    first hop gives by itself is in ``answers``. A route whose first hop nobody quoted stays as it is.
    """
    return {
        route: _bounded(route, quotes, answers.get(first_hop(route), {}), terms=terms)
        if route.fees[1:]
        else quotes
        for route, quotes in quoted.items()
    }


def _bounded(
    route: Route, quotes: Mapping[int, Quote], known: Mapping[int, Quote], terms: SwapTerms
) -> Mapping[int, Quote]:
    """``known`` are the quotes of the first hop."""
    first = _vaults_minimum(first_hop(route), terms)
    second = _vaults_minimum(Route(route.symbols[1:], route.fees[1:]), terms)
    bounded = dict(quotes)
    for size, quote in quotes.items():
        passed = known[size].amount_out if size in known else None
        if quote.amount_out is None or passed is None:
            continue
        if passed < first.out(size) or quote.amount_out < second.out(passed):
            bounded[size] = replace(quote, amount_out=None)
    return bounded


def _vaults_minimum(hop: Route, terms: SwapTerms) -> MinimumPrice:
    """The vault's own bound, without that of the keeper's settings."""
    return minimum_price(hop, terms.snapshot, max_slippage_bps=BPS, lowering=terms.lowering)

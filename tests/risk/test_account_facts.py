"""What a look knows of the venue of each account but the first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.information import InformationMemory
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.risk.information import knowledge, missing_facts
from tests.factories import (
    a_memory,
    a_policy,
    a_reading,
    a_snapshot,
    an_informed_look,
    some_bars,
    with_aave_account,
    with_morpho_account,
)

SNAPSHOT = a_snapshot()
IMPLIED = (a_reading("BTC", 0.48), a_reading("ETH", 0.55))


def missing(snapshot: MarketSnapshot, before: MarketSnapshot | None = None) -> set[str]:
    """Without any memory, or with that of a look which saw ``before``."""
    memory = InformationMemory()
    if before is not None:
        seen = knowledge(Observation(before, implied=IMPLIED), some_bars(), a_policy())
        remembered = an_informed_look(as_of=seen.as_of, facts=seen.facts, gaps=seen.gaps, implied=IMPLIED)
        memory = a_memory(look=remembered, missing=())
    look = knowledge(Observation(snapshot, implied=IMPLIED), some_bars(), a_policy())
    return {fact.name for fact in missing_facts(look, memory)}


def on_morpho(used: bool = True, **market: Any) -> MarketSnapshot:
    snapshot = with_morpho_account(SNAPSHOT, "WETH", 5_000.0 * used, 2_000.0 * used)
    other = snapshot.others[0]
    assert other.venue.market is not None
    seen = replace(other.venue.market, **market)
    return replace(snapshot, others=(replace(other, venue=replace(other.venue, market=seen)),))


@pytest.mark.parametrize(
    ("market", "name"),
    [
        ({"price": 0}, "venue_price:account1"),
        ({"price": 17 * 10**26}, "venue_price:account1"),
        ({"rate_at_target": None}, "venue_rates:account1"),
    ],
)
def test_a_second_venue_that_says_nothing_usable_is_a_shortfall_where_it_is_used(
    market: dict[str, Any], name: str
) -> None:
    assert missing(on_morpho()) == set()
    assert missing(on_morpho(**market)) == {name}
    empty = on_morpho(used=False, **market)
    assert missing(empty) == set()
    assert missing(empty, on_morpho(used=False)) == {name}


def test_what_a_second_account_no_longer_reports_is_missed_by_who_knew_it() -> None:
    before = with_aave_account(SNAPSHOT, {"WETH": 5_000.0}, 2_000.0)
    other = before.others[0]
    dry = tuple(
        replace(reserve, available=0) if reserve.symbol == "USDC" else reserve for reserve in other.reserves
    )
    for changed, name in (
        (replace(other, account=replace(other.account, debt_base=0)), "venue_debt:account1"),
        (replace(other, reserves=dry), "venue_liquidity:account1"),
    ):
        look = replace(before, others=(changed,))
        assert missing(look) == set()
        assert missing(look, before) == {name}


def test_an_account_that_is_closed_leaves_nothing_missing() -> None:
    before = with_aave_account(SNAPSHOT, {"WETH": 5_000.0}, 2_000.0)
    assert missing(SNAPSHOT, before) == set()

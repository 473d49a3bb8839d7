"""Incidents lived through on the real contracts, with a keeper in each step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.devnet import history, local_chain
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.scenario.hours import ScenarioResult
from keeper.devnet.scenario.incidents import (
    Incident,
    PriceFall,
    ReserveRun,
    WrongFeed,
    calm_path,
    with_incident,
)
from keeper.devnet.scenario.promises import promises
from keeper.devnet.scenario.run import ScenarioTerms, play

LEVERED = {"KEEPER_SIZE__TARGET_VOLATILITY": "1.6"}
"""So much that the stress bound sets the leverage."""
STEP = Incident("step", "", 4, wrong_feeds=(WrongFeed(0.9715, 2.0, 4.0),))
RUN = Incident("run", "", 4, falls=(PriceFall(0.7, 1, 4),), runs=(ReserveRun("WETH", 1, 99),))


@pytest.fixture
def own_chain() -> Iterator[LocalChain]:
    """Time passes on it, and its blocks are made by hand, so no other test has it."""
    with local_chain.running(history.load(None, None), lambda _: None) as (_, chain):
        yield chain


def lived_through(incident: Incident, chain: LocalChain, folder: Path) -> ScenarioResult:
    path = with_incident(calm_path(incident, history.load(None, None)), incident)
    return play(chain, path, incident, terms=ScenarioTerms(incident.name, 3_600, LEVERED), folder=folder)


def test_an_oracle_that_steps_at_once_neither_liquidates_nor_levers(
    own_chain: LocalChain, tmp_path: Path
) -> None:
    result = lived_through(STEP, own_chain, tmp_path)
    assert [each.broken for each in promises(result)] == [(), (), ()]
    invested, before, stepped = result.hours[0], result.hours[0], result.hours[1]
    assert invested.sent
    assert invested.leverage_after == pytest.approx(1.47, abs=0.02)
    assert before.wrong_feeds == ()
    assert set(stepped.wrong_feeds) == {"WBTC", "WETH", "LINK", "UNI"}
    assert stepped.reason.startswith("HOLD: the price of WBTC is SUSPECT")
    assert stepped.health_factor < 0.98 * invested.health_after
    feed, market = stepped.feed_prices["WETH"], stepped.prices["WETH"]
    assert feed / market == pytest.approx(0.9715, abs=0.006)


def test_who_cannot_withdraw_is_neither_liquidated_nor_levered(own_chain: LocalChain, tmp_path: Path) -> None:
    """The reserve of one collateral is lent to the last wei and its LTV is 0, while all prices fall by 30 %."""
    result = lived_through(RUN, own_chain, tmp_path)
    assert [each.broken for each in promises(result)] == [(), (), ()]
    assert result.lowest_health_factor > 1.5
    assert not any(hour.levered_up for hour in result.hours[1:])
    assert result.refused_liquidations > 0, "a liquidator cannot be paid either"

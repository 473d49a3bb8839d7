"""What a look knows, and what counts as missing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeper.domain.evidence import PriceBars
from keeper.domain.information import Acceptance, Fact, InformationMemory, MissingFact, WorstLoss
from keeper.domain.market import Trust
from keeper.domain.observation import Observation
from keeper.risk.information import (
    Knowledge,
    knowledge,
    memory_after,
    missing_facts,
    seen_losses,
    unaccepted,
    with_acceptances,
)
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    RISK_SYMBOLS,
    a_memory,
    a_model,
    a_policy,
    a_reading,
    a_snapshot,
    an_estimate_policy,
    an_informed_look,
    some_bars,
    with_block,
    with_feed,
    with_reserve,
)

IMPLIED = (a_reading("BTC", 0.48), a_reading("ETH", 0.55))
SNAPSHOT = a_snapshot()


def known(**changes: Any) -> Knowledge:
    """``changes`` replace the parts of a look that knows everything: ``snapshot``, ``bars``, ``policy``, or any field
    of the observation."""
    bars, policy = changes.pop("bars", some_bars()), changes.pop("policy", a_policy())
    observed: dict[str, Any] = {"snapshot": SNAPSHOT, "implied": IMPLIED} | changes
    return knowledge(Observation(**observed), bars, policy)


def memory_of(look: Knowledge, **changes: Any) -> InformationMemory:
    remembered = an_informed_look(
        as_of=look.as_of, facts=look.facts, gaps=look.gaps, implied=changes.pop("implied", IMPLIED)
    )
    return a_memory(look=remembered, missing=(), **changes)


def missing(look: Knowledge, memory: InformationMemory | None = None) -> set[str]:
    return {fact.name for fact in missing_facts(look, memory or InformationMemory())}


def with_closes(rows: Any, value: float = math.nan, column: int = 1) -> PriceBars:
    bars = some_bars()
    closes = bars.closes.copy()
    closes[rows, column] = value
    return replace(bars, closes=closes)


def test_a_look_at_everything_misses_nothing() -> None:
    look = known()
    assert missing(look) == set()
    assert missing(look, memory_of(look)) == set()


def test_a_missing_newest_bar_is_a_shortfall_without_any_memory() -> None:
    assert missing(known(bars=with_closes(-1))) == {"newest_bar:WETH"}


@pytest.mark.parametrize("hours", [-2, 1])
def test_a_history_that_ends_early_or_in_the_future_has_no_newest_bar(hours: int) -> None:
    bars = some_bars()
    moved = replace(bars, times=bars.times + hours * HOUR)
    assert "newest_bar:WETH" in missing(known(bars=moved))


def test_bars_off_their_grid_have_no_newest_bar() -> None:
    bars = some_bars()
    times = bars.times.copy()
    times[100:] -= HOUR
    times[-1] += HOUR
    assert "newest_bar:UNI" in missing(known(bars=replace(bars, times=times)))


def test_a_hole_is_missed_by_who_had_the_bars() -> None:
    look = known(bars=with_closes(slice(1_000, 1_024)))
    assert missing(look) == set()
    assert missing(look, memory_of(known())) == {"bars:WETH"}
    assert missing(look, memory_of(look)) == set()


def test_a_hole_is_missed_although_a_young_history_has_grown_by_as_many_bars() -> None:
    young = with_closes(slice(0, 1_000))
    grown = with_closes([*range(976), *range(1_500, 1_524)])
    assert missing(known(bars=grown), memory_of(known(bars=young))) == {"bars:WETH"}


def test_a_history_shorter_than_its_part_of_the_window_is_a_shortfall() -> None:
    policy = a_policy(estimate=an_estimate_policy(min_history=0.5))
    half = with_closes(slice(0, 1_441))
    assert missing(known(bars=half, policy=policy)) == {"bars:WETH"}
    assert missing(known(bars=with_closes(slice(0, 1_440)), policy=policy)) == set()


def test_a_feed_that_began_within_the_window_has_no_earlier_history_to_miss() -> None:
    policy = a_policy(estimate=an_estimate_policy(min_history=0.9))
    young = with_closes(slice(0, 1_441))
    began = replace(young, begun={"WETH": int(young.times[1_441])})
    assert missing(known(bars=young, policy=policy)) == {"bars:WETH"}
    assert missing(known(bars=began, policy=policy)) == set()


@pytest.mark.parametrize(("hours", "is_enough"), [(12, True), (13, False)])
def test_a_feed_may_be_silent_for_a_heartbeat(hours: int, is_enough: bool) -> None:
    """A close counts for 12 hours, and a heartbeat has 24."""
    policy = a_policy(estimate=an_estimate_policy(min_history=0.9))
    silent = np.arange(2_700) % 24 < hours
    look = known(bars=with_closes(np.flatnonzero(silent)), policy=policy)
    assert (missing(look) == set()) == is_enough


def test_a_price_that_stands_still_at_the_end_is_a_shortfall() -> None:
    bars = some_bars()
    assert missing(known(bars=with_closes(-1, bars.closes[-2, 1]))) == {"movement:WETH"}


def test_an_asset_whose_price_often_stands_still_may_stand_still_as_long_as_usual() -> None:
    bars = some_bars()
    closes = bars.closes.copy()
    closes[:, 1] = np.repeat(closes[::4, 1], 4)
    slow = replace(bars, closes=closes)
    assert missing(known(bars=slow)) == set()
    closes = closes.copy()
    closes[-20:, 1] = closes[-1, 1]
    assert missing(known(bars=replace(bars, closes=closes))) == {"movement:WETH"}


def test_a_price_that_was_carried_over_a_hole_is_missed_by_who_saw_it_move() -> None:
    bars = with_closes(slice(1_000, 1_012), 1_700.0)
    assert missing(known(bars=bars), memory_of(known())) == {"movement:WETH"}


@pytest.mark.parametrize(
    "reading",
    [
        a_reading("ETH", None),
        a_reading("ETH", math.nan),
        a_reading("ETH", math.inf),
        a_reading("ETH", -0.5),
        a_reading("ETH", 0.55, observed_at=NOW + 1),
        a_reading("ETH", 0.55, observed_at=NOW - 3 * HOUR - 1),
    ],
    ids=["no number", "NaN", "infinite", "negative", "from the future", "stale"],
)
def test_an_option_market_that_gives_nothing_usable_is_a_shortfall(reading: Any) -> None:
    assert missing(known(implied=(IMPLIED[0], reading))) == {"implied:ETH"}


def test_an_option_market_that_never_existed_is_missed_only_by_who_knew_it() -> None:
    look = known(implied=())
    assert missing(look) == set()
    assert missing(look, memory_of(known())) == {"implied:BTC", "implied:ETH"}


@pytest.mark.parametrize(("factor", "hours", "believed"), [(0.95, 1, True), (0.6, 1, False), (0.6, 25, True)])
def test_one_source_may_fall_only_as_fast_as_a_market_does(factor: float, hours: int, believed: bool) -> None:
    memory = memory_of(known(), implied=(a_reading("ETH", 0.55, observed_at=NOW - 300 - hours * HOUR),))
    fallen = (IMPLIED[0], a_reading("ETH", 0.55 * factor))
    names = missing(known(implied=fallen, information=memory), memory)
    assert names == (set() if believed else {"implied:ETH"})


@pytest.mark.parametrize("trust", [Trust.STALE, Trust.SUSPECT, Trust.DEAD])
def test_a_feed_that_is_not_fresh_is_a_shortfall(trust: Trust) -> None:
    assert missing(known(snapshot=with_feed(SNAPSHOT, "LINK", trust=trust, reason="x"))) == {"feed:LINK"}


def test_fewer_second_opinions_are_missed() -> None:
    memory = memory_of(known(second_opinions={"WETH": 3, "LINK": 1}))
    assert missing(known(second_opinions={"WETH": 2, "LINK": 1}), memory) == {"opinions:WETH"}
    assert missing(known(second_opinions=None), memory) == {"opinions:WETH", "opinions:LINK"}


@pytest.mark.parametrize(
    ("snapshot", "name"),
    [
        (with_reserve(SNAPSHOT, "LINK", market_price=0), "market_price:LINK"),
        (with_reserve(SNAPSHOT, "LINK", market_price=2 * SNAPSHOT.price("LINK")), "market_price:LINK"),
        (with_reserve(SNAPSHOT, "UNI", supply_cap=0), "supply_cap:UNI"),
        (with_reserve(SNAPSHOT, "USDC", borrow_cap=0), "borrow_cap"),
        (with_reserve(SNAPSHOT, "USDC", available=0), "liquidity"),
        (with_block(SNAPSHOT, base_fee_wei=0), "base_fee"),
        (
            replace(SNAPSHOT, account=replace(SNAPSHOT.account, debt_base=500_000 * 10**8)),
            "account",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_market_no_longer_reports_is_missed_by_who_knew_it(snapshot: Any, name: str) -> None:
    look = known(snapshot=snapshot)
    assert missing(look) == set()
    assert missing(look, memory_of(known())) == {name}


def test_a_missing_fact_keeps_its_time_until_it_becomes_worse() -> None:
    memory = memory_of(known(second_opinions={"WETH": 3}))
    earlier = replace(memory, missing=(MissingFact("opinions:WETH", 2.0, NOW - DAY),))
    (same,) = missing_facts(known(second_opinions={"WETH": 2}), earlier)
    (worse,) = missing_facts(known(second_opinions={"WETH": 1}), earlier)
    assert (same.since, worse.since) == (NOW - DAY, NOW)


@pytest.mark.parametrize(("days", "holds"), [(6.9, True), (7.0, False)])
def test_time_accepts_what_was_lost(days: float, holds: bool) -> None:
    look = known(bars=with_closes(slice(1_000, 1_024)))
    memory = memory_of(known())
    lost = (MissingFact("bars:WETH", -24.0, NOW - round(days * DAY)),)
    assert bool(unaccepted(lost, look, memory, policy=an_estimate_policy())) == holds


def test_time_accepts_no_shortfall() -> None:
    look = known(implied=(IMPLIED[0], a_reading("ETH", None)))
    fact = (MissingFact("implied:ETH", 0.0, NOW - 100 * DAY),)
    assert unaccepted(fact, look, InformationMemory(), policy=an_estimate_policy()) == ("implied:ETH",)


def test_a_person_accepts_a_fact_as_it_is_and_nothing_worse() -> None:
    accepted = Acceptance(3, (Fact("opinions:WETH", 1.0),), "an exchange is gone", NOW)
    memory = with_acceptances(memory_of(known(second_opinions={"WETH": 3})), (accepted,))
    assert memory.acceptance == 3
    for count, names in ((2, ()), (1, ()), (0, ("opinions:WETH",))):
        look = known(second_opinions={"WETH": count})
        facts = missing_facts(look, memory)
        assert unaccepted(facts, look, memory, policy=an_estimate_policy()) == names


def test_an_acceptance_ends_when_its_fact_is_back() -> None:
    memory = a_memory(accepted=(Fact("implied:ETH", 0.0), Fact("depth:UNI", 0.0)))
    still = (MissingFact("implied:ETH", 0.0, NOW),)
    after = memory_after(memory, still, look=memory.look, worst_losses=())
    assert after.accepted == (Fact("implied:ETH", 0.0),)


def remembered(*losses: tuple[float, ...], age_s: int = HOUR) -> InformationMemory:
    return a_memory(worst_losses=tuple(WorstLoss(RISK_SYMBOLS, row, NOW - age_s) for row in losses))


def seen(memory: InformationMemory, *rows: tuple[float, ...]) -> dict[tuple[float, ...], int]:
    model = a_model(worst_losses=rows)
    return {loss.losses: loss.seen_at for loss in seen_losses(model, memory, window_s=120 * DAY)}


SMALL, LARGE, OTHER = (0.2, 0.2, 0.2, 0.2), (0.5, 0.5, 0.5, 0.5), (0.1, 0.1, 0.1, 0.7)


def test_the_worst_loss_does_not_fall_when_the_history_gets_shorter() -> None:
    assert seen(remembered(LARGE), SMALL) == {LARGE: NOW - HOUR}
    assert seen(remembered(LARGE), LARGE) == {LARGE: NOW}
    assert seen(remembered(LARGE), OTHER) == {LARGE: NOW - HOUR, OTHER: NOW}
    assert seen(remembered()) == {}


def test_the_worst_loss_is_forgotten_when_it_was_not_seen_for_a_window() -> None:
    assert seen(remembered(LARGE, age_s=120 * DAY), SMALL) == {LARGE: NOW - 120 * DAY}
    assert seen(remembered(LARGE, age_s=120 * DAY + 1), SMALL) == {SMALL: NOW}


def test_losses_of_other_assets_say_nothing_about_these() -> None:
    memory = a_memory(worst_losses=(WorstLoss(("WBTC", "WETH"), (0.9, 0.9), NOW),))
    assert seen(memory, SMALL) == {SMALL: NOW}


def test_who_accepts_a_shorter_history_also_forgets_its_worst_loss() -> None:
    for name, losses in (("bars:WETH", ()), ("depth:WETH", a_memory().worst_losses)):
        accepted = Acceptance(1, (Fact(name, -24.0),), "lost", NOW)
        assert with_acceptances(a_memory(), (accepted,)).worst_losses == losses


def test_facts_of_an_asset_that_the_vault_no_longer_holds_are_not_missed() -> None:
    look = known()
    gone = (*look.facts, Fact("depth:AAVE", 1.0))
    memory = a_memory(look=an_informed_look(facts=gone), missing=())
    assert missing(look, memory) == set()


TRUE = some_bars().closes
SLOW = replace(some_bars(), closes=TRUE[np.arange(len(TRUE)) // 8 * 8])
"""Feeds that publish every eighth hour."""


def with_candles(**exchanges: Any) -> Knowledge:
    return known(bars=replace(SLOW, exchanges=exchanges))


def hole(rows: Any, closes: Any = TRUE) -> Any:
    holed = closes.copy()
    holed[rows, 1] = np.nan
    return holed


BOTH = with_candles(coinbase=TRUE, kraken=TRUE)


def test_candles_that_were_there_are_missed_by_asset() -> None:
    memory = memory_of(BOTH)
    assert missing(with_candles(coinbase=TRUE, kraken=TRUE), memory) == set()
    assert missing(with_candles(coinbase=TRUE, kraken=hole(100)), memory) == {"candles:WETH"}
    assert missing(with_candles(coinbase=TRUE), memory) == {f"candles:{symbol}" for symbol in RISK_SYMBOLS}


def test_an_exchange_that_comes_does_not_replace_one_that_goes() -> None:
    assert missing(with_candles(coinbase=TRUE, binance=TRUE), memory_of(BOTH)) == {
        f"candles:{symbol}" for symbol in RISK_SYMBOLS
    }


def test_a_hole_in_candles_that_the_look_had_too_is_not_missed() -> None:
    holed = with_candles(coinbase=TRUE, kraken=hole(100))
    assert missing(holed, memory_of(holed)) == set()


def test_the_newest_candle_may_come_late() -> None:
    earlier = known(bars=replace(SLOW, exchanges={"coinbase": TRUE, "kraken": TRUE}))
    memory = memory_of(replace(earlier, as_of=int(SLOW.times[-1]) - 1))
    assert missing(with_candles(coinbase=TRUE, kraken=hole(-1)), memory) == set()


def test_candles_that_were_carried_over_a_hole_are_missed() -> None:
    carried = TRUE.copy()
    carried[100:110, 1] = carried[99, 1]
    assert missing(with_candles(coinbase=TRUE, kraken=carried), memory_of(BOTH)) == {
        "candle_movement:WETH@kraken"
    }


def test_exchanges_that_contradict_each_other_are_a_shortfall() -> None:
    noise = np.exp(0.008 * np.random.default_rng(1).standard_normal(len(TRUE)))
    other = TRUE.copy()
    other[:, 1] *= noise
    assert missing(with_candles(coinbase=TRUE, kraken=other)) == {"candles:WETH"}

"""Leverage is too high and one feed is not trusted: the real command lowers it with what it can trust, on the real
contracts."""

from __future__ import annotations

import pytest

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from tests.chain.keeper_command import Ended, Run
from tests.chain.sequencer import set_sequencer
from tests.faults.lending_market import RISKY, TERMS, Market, market, settled, steps
from tests.faults.price_faults import EXECUTE, Unruly, alone, asset, gates, held_by, levers, unruly

__all__ = ["alone", "market", "unruly"]

HOUR = 3_600
ALERT, SAFE = 1.30, 1.45


@pytest.fixture
def unconfirmed(alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither exchange nor pool has a second opinion."""
    monkeypatch.setenv("KEEPER_ORACLE__TWAP_MIN_DEPTH_USD", "1e12")


@pytest.fixture
def too_high(keeper: Run, chain: LocalChain, unruly: Unruly, monkeypatch: pytest.MonkeyPatch) -> Unruly:
    """The vault is levered on good data. Then its operator wants half of the volatility."""
    levers(keeper, chain)
    chain.pass_time(2 * HOUR)
    unruly.say(unruly.answer, 101)
    monkeypatch.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "0.4")
    return unruly


def goes_down(keeper: Run, chain: LocalChain, call: str) -> Ended:
    """Leverage and debt fall by this call of the vault. Nothing is bought."""
    before, block = read_vault(chain), chain.w3.eth.block_number
    ended = settled(keeper(*EXECUTE))
    after = read_vault(chain)
    assert after.leverage < 0.98 * before.leverage
    assert after.health_factor > before.health_factor
    event = "Lowered" if call == "deleverage" else "Rebalanced"
    assert len(chain.rebalancer.events[event]().get_logs(from_block=block + 1)) == 1
    assert not any(kind in ("BORROW", "SUPPLY") for kind, _ in steps(ended))
    assert "by sales alone, because" in ended.json()["reason"]
    return ended


def sold(ended: Ended) -> set[str]:
    return {symbol for kind, symbol in steps(ended) if kind == "WITHDRAW"}


def test_stale_by_its_heartbeat_and_young_enough_for_the_vault(
    keeper: Run, chain: LocalChain, too_high: Unruly, unconfirmed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "KEEPER_ORACLE__FEEDS", '[{"symbol": "WETH", "heartbeat_s": 1200, "grace_s": 60, "max_jump": 0.2}]'
    )
    too_high.say(too_high.answer, 102, age=1_600)
    ended = goes_down(keeper, chain, "rebalance")
    assert asset(ended, "WETH")["price_rule"] == "too_old"
    assert sold(ended) == {"WBTC", "LINK", "UNI"}


def test_stale_and_too_old_for_the_vault(
    keeper: Run, chain: LocalChain, too_high: Unruly, unconfirmed: None
) -> None:
    too_high.say(too_high.answer, 102, age=5_000)
    ended = goes_down(keeper, chain, "deleverage")
    assert asset(ended, "WETH")["price_trust"] == "STALE"
    assert sold(ended) == {"WBTC", "LINK", "UNI"}


def test_suspect_because_it_is_pinned_at_its_bound(
    keeper: Run, chain: LocalChain, too_high: Unruly, unconfirmed: None
) -> None:
    too_high.bound(too_high.answer, 2**190)
    ended = goes_down(keeper, chain, "rebalance")
    assert asset(ended, "WETH")["price_rule"] == "at_bound"
    assert sold(ended) == {"WBTC", "LINK", "UNI"}


def test_suspect_because_it_disagrees_and_sold_at_what_the_exchanges_say(
    keeper: Run, chain: LocalChain, too_high: Unruly
) -> None:
    too_high.say(too_high.answer * 103 // 100, 102)
    ended = goes_down(keeper, chain, "deleverage")
    assert asset(ended, "WETH")["price_rule"] == "disagrees"
    assert "WETH" in sold(ended)


def test_dead_and_left_alone_while_the_others_are_sold(
    keeper: Run, chain: LocalChain, too_high: Unruly
) -> None:
    too_high.say(0, 102)
    ended = goes_down(keeper, chain, "deleverage")
    assert asset(ended, "WETH")["price_trust"] == "DEAD"
    assert sold(ended) == {"WBTC", "LINK", "UNI"}


def test_while_the_sequencer_is_down(keeper: Run, chain: LocalChain, too_high: Unruly) -> None:
    set_sequencer(chain, up=False, since=chain.now() - 60)
    ended = goes_down(keeper, chain, "deleverage")
    assert gates(ended)["sequencer_up"] is False


def test_below_the_alert_level_a_dead_feed_does_not_stop_it_on_the_way_to_the_safe_level(
    keeper: Run, chain: LocalChain, unruly: Unruly, market: Market
) -> None:
    levers(keeper, chain)
    chain.pass_time(2 * HOUR)
    factor = 0.99 * ALERT / read_vault(chain).health_factor
    for symbol in RISKY:
        terms = TERMS[symbol]
        market.collateral(symbol, int(terms.ltv * factor), int(terms.liquidation_threshold * factor))
    unruly.say(0, 102)
    ended = goes_down(keeper, chain, "rebalance")  # which asks no price of what it does not trade
    assert ended.json()["urgency"] == "OUT_OF_BAND"
    assert SAFE <= read_vault(chain).health_factor < 1.1 * SAFE


def test_without_a_second_opinion_it_goes_down_and_not_up(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch, unconfirmed: None
) -> None:
    with monkeypatch.context() as strict:
        strict.setenv("KEEPER_ORACLE__MIN_OPINIONS", "1")
        held_by(keeper, chain, "second_opinions")
    levers(keeper, chain)
    chain.pass_time(2 * HOUR)
    monkeypatch.setenv("KEEPER_ORACLE__MIN_OPINIONS", "1")
    monkeypatch.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "0.4")
    before = read_vault(chain).leverage
    settled(keeper(*EXECUTE))
    assert read_vault(chain).leverage < 0.95 * before

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from keeper.cli.render import page
from keeper.domain.decision import Action, PoolCost
from keeper.domain.executed_swaps import LearnedCost
from keeper.domain.market import Trust
from keeper.domain.plan import Check, PostState
from keeper.domain.record import CycleOutcome, DecisionRecord, Mode
from tests.factories import a_memory, a_snapshot, with_feed
from tests.views.records import RECEIPT, a_failure, a_record


def printed(record: DecisionRecord, *, verbose: bool = False) -> str:
    target = io.StringIO()
    Console(file=target, width=100, highlight=False).print(page(record, verbose=verbose))
    return target.getvalue()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (Mode.SIMULATE, "SIMULATION · nothing is signed, nothing is sent"),
        (Mode.DRY_RUN, "DRY RUN · nothing is signed, nothing is sent"),
        (Mode.EXECUTE, "EXECUTE · transactions are signed and sent"),
        (Mode.LIVE, "LIVE · transactions are signed and sent"),
    ],
)
def test_the_screen_begins_with_whether_anything_can_be_sent(mode: Mode, words: str) -> None:
    assert printed(a_record(mode=mode)).startswith(words)


def test_everything_an_operator_asks_for_is_on_the_screen() -> None:
    text = printed(a_record())
    for expected in (
        "WBTC",
        "25,100.00",  # price
        "10 min",  # its age
        "55.0 %",  # historical
        "64.0 %",  # implied
        "60.0 %",  # blended
        "0.0 % → 68.0 %",  # weight
        "0.0 % → 50.0 %",  # share of risk
        "bound by target_volatility",
        "target weights bound by group:majors",
        "1.260",  # target leverage
        "floor 1.400",
        "swap, exact in",
        "680,000.00 USDC",
        "22.644 WBTC",
        "0.05% WETH 0.3%",
        "gas $4.20, pool fees $610.00, slippage $320.50, flash loan $0.00",
        "risk_share",
        "fired ROUTINE",
        "no buying",
        "nav_loss",
        "Checks of the simulation by eth_simulateV1",
        "share of risk is 50.0 points off its budget",
    ):
        assert expected in text, expected


def test_no_line_is_wider_than_a_hundred_columns_and_no_colour_is_piped() -> None:
    text = printed(a_record(), verbose=True)
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text


def test_the_bounds_that_did_not_bind_are_shown_on_request_only() -> None:
    assert "never reached" not in printed(a_record())
    assert "never reached" in printed(a_record(), verbose=True)


def test_what_is_missing_is_named_with_its_time_and_its_effect() -> None:
    record = a_record()
    assert record.conclusions is not None
    target = replace(record.conclusions.target, missing=("depth:WBTC",))
    partial = replace(record.conclusions, target=target, information=a_memory())
    text = " ".join(printed(replace(record, conclusions=partial)).split())
    assert "! missing depth:WBTC (since 2023-06-15" in text
    assert "stay at or below those of that look" in text


def test_a_feed_that_is_not_fresh_is_named_with_its_reason() -> None:
    record = a_record()
    assert record.inputs is not None
    snapshot = with_feed(a_snapshot(), "WETH", trust=Trust.STALE, reason="older than 3,720 s")
    text = printed(replace(record, inputs=replace(record.inputs, snapshot=snapshot)))
    assert "WETH feed is STALE: older than 3,720 s" in text


def test_a_failed_cycle_says_what_and_what_to_do() -> None:
    record = a_record(
        outcome=CycleOutcome.FAILED,
        inputs=None,
        conclusions=None,
        simulation=None,
        verdict=None,
        failure=a_failure(),
        summary="NodeUnavailable: no answer from the node",
    )
    text = printed(record)
    assert "NodeUnavailable: no answer from the node" in text
    assert "Start the node." in text


def test_after_sending_the_state_read_from_the_chain_is_shown() -> None:
    record = a_record(
        mode=Mode.EXECUTE,
        outcome=CycleOutcome.SENT,
        receipt=RECEIPT,
        realised=PostState(998_800.0, 1.2571, 3.49, (0.68, 0.58)),
    )
    text = printed(record)
    assert "read from the chain" in text
    assert "1.257" in text
    assert "0x" + "cd" * 32 in text
    assert "EXECUTE: REBALANCE, sent and mined" in text


def test_what_a_trade_is_worth_and_what_it_leaves_is_on_the_screen() -> None:
    record = a_record()
    assert record.conclusions is not None
    decision = replace(record.conclusions.decision, action=Action.ITERATE, remaining=0.4321)
    text = printed(replace(record, conclusions=replace(record.conclusions, decision=decision)))
    worth = "Worth $4,000, expected to cost $1,500; 0.432 NAVs of weight changes left to the target."
    assert worth in " ".join(text.split())


def test_what_a_block_has_no_gas_for_is_said_once() -> None:
    record = a_record()
    assert record.conclusions is not None
    assert record.conclusions.plan is not None
    plan = replace(record.conclusions.plan, postponed_usd=5_000.0)
    text = printed(replace(record, conclusions=replace(record.conclusions, plan=plan)))
    assert " ".join(text.split()).count("a block has no gas for them") == 1


def test_checks_of_what_was_mined_stop_or_warn() -> None:
    text = printed(
        a_record(
            post_trade=(
                Check("leverage_within_target", 1.5, 1.3, False, "leverage 1.5000, 1.2800 due"),
                Check("outputs_as_quoted", 31.0, 20.0, False, "USDC sold for 5 LINK, 6 quoted"),
            )
        )
    )
    stopped, warned = (
        next(line for line in text.splitlines() if name in line)
        for name in ("leverage_within_target", "outputs_as_quoted")
    )
    assert "STOP" in stopped
    assert "WARN" in warned


def test_learned_costs_are_shown_beside_the_assumed_once_there_are_any() -> None:
    record = a_record()
    assert record.inputs is not None
    assert "Trading costs" not in printed(record)
    learned = (LearnedCost("WETH", 12, 9.5, 18.2, 5.1),)
    text = printed(replace(record, inputs=replace(record.inputs, learned_costs=learned)))
    line = [line for line in text.splitlines() if line.startswith("WETH")][-1].split()
    assert line == ["WETH", "+40.0", "–", "–", "–", "12", "+18.2", "+25.7"]


def test_what_the_pools_depth_says_is_shown_with_the_size_it_was_counted_at() -> None:
    record = a_record()
    assert record.conclusions is not None
    decision = replace(record.conclusions.decision, pool_costs=(PoolCost("WETH", 120_000.0, 5.0, 1.4),))
    text = printed(replace(record, conclusions=replace(record.conclusions, decision=decision)))
    line = [line for line in text.splitlines() if line.startswith("WETH")][-1].split()
    assert line == ["WETH", "+40.0", "120,000", "+5.0", "+1.4", "0", "–", "+6.4"]


def test_nothing_is_cut_short_on_a_screen_of_80_columns() -> None:
    for record in (a_record(), a_record(mode=Mode.SIMULATE)):
        target = io.StringIO()
        Console(file=target, width=80, highlight=False).print(page(record, verbose=True))
        lines = target.getvalue().splitlines()
        assert max(map(len, lines)) <= 80
        assert not [line for line in lines if "…" in line]

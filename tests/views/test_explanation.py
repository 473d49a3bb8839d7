from __future__ import annotations

import re
from dataclasses import replace

import pytest

from keeper.domain.decision import Action
from keeper.domain.exit_codes import EXIT_CODES
from keeper.domain.plan import Check, PlanVerdict
from keeper.domain.record import CycleOutcome, DecisionRecord
from keeper.domain.tx import Receipt
from keeper.views.explanation import EXPLANATION, explain
from tests.cycle.decided_records import a_decided_record
from tests.factories import NOW
from tests.views.records import a_failure, a_record

HELD = a_decided_record(1).record


def text_of(record: DecisionRecord) -> str:
    explanation = explain(record)
    return "\n".join((*explanation.why, *explanation.changes, explanation.next_look))


def test_a_hold_names_the_prices_at_which_it_would_act() -> None:
    explanation = explain(HELD)
    assert explanation.why[0] == "The keeper held."
    assert "No trigger asked for a trade." in explanation.why
    named = [line for line in explanation.changes if line.startswith("It acts if ")]
    assert len(named) >= 3
    assert re.fullmatch(
        r"It acts if all prices fall together by [\d.]+ %: REBALANCE by \w+, [\d.,]+ against [\d.,]+\.",
        named[0],
    )
    assert any(
        re.match(r"It acts if (WBTC|WETH|LINK|UNI) (falls|rises) to [\d,.]+ USD \([+-][\d.]+ %\): ", line)
        for line in named
    )
    assert any(
        line.startswith("It deleverages at once if all prices fall together by ")
        for line in explanation.changes
    )


def test_where_a_gate_stops_the_trade_the_gate_is_named() -> None:
    named = [
        line for line in explain(a_decided_record(1, since_s=20).record).changes if "which is stopped" in line
    ]
    assert named
    assert all(
        re.match(r"If .+, a trigger asks for a trade, which is stopped: .+, but .+\.$", line)
        for line in named
    )
    assert any("cool-down" in line or "last rebalance" in line for line in named)


def test_a_price_in_the_text_is_the_price_that_was_tried() -> None:
    explanation = explain(HELD)
    for place, line in zip(explanation.what_if.trades[:6], explanation.changes, strict=False):
        if len(place.symbols) == 1:
            (shown,) = re.findall(r"to ([\d,.]+) USD", line)
            assert round(float(shown.replace(",", "")) * 1e8) == place.prices[0]


def test_a_hold_says_when_its_age_alone_makes_it_act() -> None:
    (line,) = [line for line in explain(HELD).changes if "trigger age" in line]
    assert re.search(r"fires on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, in \d+ (d|h)\.", line)


def test_a_gate_that_stops_a_trade_must_hold_first() -> None:
    record = a_record(outcome=CycleOutcome.HELD, exit_code=5)
    assert record.conclusions is not None
    decision = replace(record.conclusions.decision, action=Action.HOLD, goal=None)
    record = replace(record, conclusions=replace(record.conclusions, decision=decision, plan=None))
    shown = text_of(record)
    assert "Trigger risk_share asked for a trade (ROUTINE): largest gap to a budget." in shown
    assert "Gate gas_balance stopped the trade: ETH kept for gas." in shown
    assert "Gate gas_balance must hold first: ETH kept for gas." in shown
    (code,) = [code for code in EXIT_CODES if code.code == 5]
    assert f"Exit code 5: {code.meaning}" in shown


def test_a_declined_plan_names_the_check_that_failed() -> None:
    checks = (
        Check("nav_loss", 41.0, 30.0, False, "loses 41 bps, at most 30"),
        Check("leverage_cap", 1.0, 3.0, True, "leverage"),
    )
    record = a_record(outcome=CycleOutcome.DECLINED, verdict=PlanVerdict(passed=False, checks=checks))
    assert "Check nav_loss: loses 41 bps, at most 30." in text_of(record)
    assert "leverage_cap" not in text_of(record)


def test_a_trade_says_what_it_was_worth_and_its_transaction() -> None:
    receipt = Receipt("1" * 32, "0xfeed", 17_500_003, "0xb10c", True, 1, 1, 0, None, None)
    shown = text_of(a_record(outcome=CycleOutcome.SENT, receipt=receipt))
    assert "The keeper traded." in shown
    assert "The trade was worth $4,000 and was planned to cost $934.70." in shown
    assert "Transaction 0xfeed in block 17,500,003." in shown


def test_a_failure_has_its_remedy() -> None:
    record = a_record(
        outcome=CycleOutcome.FAILED, failure=a_failure(), exit_code=3, inputs=None, conclusions=None
    )
    explanation = explain(record)
    assert explanation.changes == (a_failure().remedy,)
    assert explanation.why[0] == "An error ended the cycle."


@pytest.mark.slow
def test_the_next_look_is_that_of_the_schedule() -> None:
    assert "A person ran this cycle." in explain(HELD).next_look
    scheduled = replace(HELD, started_at=float(NOW), next_look_at=float(NOW + 7_200))
    assert "2 h later" in explain(scheduled).next_look


@pytest.mark.slow
@pytest.mark.parametrize("record", [HELD, a_record()])
def test_the_object_has_what_the_page_says(record: DecisionRecord) -> None:
    explanation = explain(record)
    value = EXPLANATION.json(explanation)
    assert value["why"] == list(explanation.why)
    assert len(value["thresholds"]) == len(explanation.what_if.trades)
    for threshold, place in zip(value["thresholds"], explanation.what_if.trades, strict=True):
        assert [price["symbol"] for price in threshold["prices"]] == list(place.symbols)

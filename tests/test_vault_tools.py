"""The commands that hold the vault's pages against measurements."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.tools.policy_figures import CASH_LAG, LAG, calls, most_in_a_window
from tests.tools.slither_page import answered, differences, found

HOUR = 3_600


def test_a_window_is_four_slots_of_eight_hours() -> None:
    assert most_in_a_window([0, 24 * HOUR], [1.0, 2.0]) == 3.0
    assert most_in_a_window([0, 32 * HOUR], [1.0, 2.0]) == 2.0


def test_a_purchase_from_cash_loses_both_lags_and_its_costs() -> None:
    row = {
        "time": "2020-01-01T00:00:00Z",
        "action": "REBALANCE",
        "urgency": "ROUTINE",
        "held_by": "",
        "turnover": "0.5",
        "leverage_after": "0.5",
        "pool_fees_usd": "3",
        "slippage_usd": "2",
        "weight_before_WETH": "0",
        "weight_after_WETH": "0.5",
    }
    (call,) = calls([row, {**row, "held_by": "gas_price"}], {"2020-01-01T00:00:00Z": 1_000.0})
    assert call.loss == pytest.approx(0.5 * (LAG + CASH_LAG) + 0.005)


def test_a_finding_without_an_answer_is_told_and_an_answered_one_is_not() -> None:
    contract = {"type": "contract", "name": "Portfolio"}
    function = {"type": "function", "name": "run", "type_specific_fields": {"parent": contract}}
    report = {"results": {"detectors": [{"check": "timestamp", "elements": [function]}]}}
    assert found(report) == {"timestamp": Counter({"Portfolio": 1})}
    assert not list(differences(found(report), answered("| `timestamp` | `Portfolio` 1 | Why. |\n")))
    assert list(differences(found(report), answered("")))

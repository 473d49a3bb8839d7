from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from keeper.cli.output import print_json
from keeper.domain.record import CycleOutcome, DecisionRecord, Mode
from keeper.views.record import LOGGED, RECORD, log_line
from keeper.views.view import finite
from tests.views.records import a_failure, a_record

PROMISED: dict[str, Any] = {
    "action": str,
    "reason": str,
    "block": {"number": int, "hash": str, "timestamp": int},
    "nav_usd": float,
    "leverage": float,
    "target_leverage": float,
    "binding": str,
    "binding_caps": [str],
    "health_factor": (float, type(None)),
    "volatility": float,
    "target_volatility": float,
    "assets": [
        {
            "symbol": str,
            "price_usd": float,
            "price_age_s": int,
            "volatility": {"historical": float, "implied": (float, type(None)), "blended": float},
            "weight": float,
            "target_weight": float,
            "risk_share": float,
            "target_risk_share": float,
            "budget": float,
        }
    ],
    "covariance": {"symbols": [str], "matrix": [[float]]},
    "gates": [
        {
            "name": str,
            "value": (float, type(None)),
            "limit": (float, type(None)),
            "passed": bool,
            "urgency": str,
        }
    ],
    "plan": {"steps": [dict], "cost_usd": {"gas": float, "fees": float, "slippage": float, "flash": float}},
    "simulation": {
        "success": bool,
        "revert": (str, type(None)),
        "gas": int,
        "nav_usd": float,
        "leverage": float,
        "health_factor": (float, type(None)),
        "weights": [float],
    },
    "rpc_round_trips": int,
}


def assert_shaped(expected: Any, value: Any, where: str = "$") -> None:
    if isinstance(expected, dict):
        assert isinstance(value, dict), where
        for key, inner in expected.items():
            assert key in value, f"{where}.{key} is missing"
            assert_shaped(inner, value[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(value, list), where
        assert value, f"{where} is empty"
        for index, entry in enumerate(value):
            assert_shaped(expected[0], entry, f"{where}[{index}]")
    else:
        assert isinstance(value, expected), f"{where} is {value!r}"


def printed(record: DecisionRecord, capsys: pytest.CaptureFixture[str]) -> Any:
    """What ``--json`` prints, by a reader that takes no NaN and no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    print_json(RECORD.json(record))
    return json.loads(capsys.readouterr().out, parse_constant=refuse)


def test_the_object_has_the_promised_shape(capsys: pytest.CaptureFixture[str]) -> None:
    assert_shaped(PROMISED, printed(a_record(), capsys))


def test_infinite_and_undefined_numbers_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    value = printed(a_record(), capsys)
    assert value["health_factor"] is None
    assert value["gates"][2]["value"] is None
    assert finite((1, math.nan, {"x": math.inf})) == [1, None, {"x": None}]


def test_a_failed_cycle_has_the_same_keys_and_its_error() -> None:
    whole = RECORD.json(a_record())
    failed = RECORD.json(
        a_record(
            outcome=CycleOutcome.FAILED,
            exit_code=3,
            inputs=None,
            conclusions=None,
            simulation=None,
            verdict=None,
            failure=a_failure(),
        )
    )
    assert whole.keys() == failed.keys()
    assert failed["error"]["name"] == "NodeUnavailable"
    assert failed["error"]["exit_code"] == 3
    assert failed["error"]["remedy"]
    assert failed["plan"] is None
    assert failed["action"] is None


def test_raw_amounts_are_strings_that_lose_no_digit() -> None:
    steps = RECORD.json(a_record())["plan"]["steps"]
    assert str(2**256 - 1) == steps[1]["amount"]


def test_the_reason_is_the_summary_of_what_became_of_the_cycle() -> None:
    record = replace(a_record(), summary="HOLD: the simulated transaction reverts with LossAboveLimit")
    assert record.summary == RECORD.json(record)["reason"]


@pytest.mark.parametrize("outcome", list(CycleOutcome))
def test_every_outcome_is_said(outcome: CycleOutcome) -> None:
    assert outcome.value == RECORD.json(a_record(outcome=outcome))["outcome"]


def test_a_simulation_has_no_record_id() -> None:
    assert RECORD.json(a_record())["record_id"] is None
    assert RECORD.json(a_record(mode=Mode.DRY_RUN))["record_id"] == a_record().record_id


def test_the_log_line_has_the_values_of_the_object() -> None:
    record = a_record(mode=Mode.DRY_RUN)
    line, whole = log_line(record), RECORD.json(record)
    assert set(line) == {path.replace(".", "_") for path in LOGGED} - {"health_factor", "receipt_tx_hash"}
    assert line["block_number"] == whole["block"]["number"]
    assert line["plan_cost_usd_total"] == round(whole["plan"]["cost_usd"]["total"], 4) == 934.7
    assert line["failed_gates"] == ["gas_balance"]


def test_a_cycle_that_read_nothing_has_a_log_line_of_what_is_known() -> None:
    record = a_record(mode=Mode.DRY_RUN, inputs=None, conclusions=None, failure=a_failure(), exit_code=3)
    assert {"reason", "record_id", "exit_code"} <= set(log_line(record))
    assert "nav_usd" not in log_line(record)

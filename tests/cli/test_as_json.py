from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from keeper.cli.as_json import dumped, finite, record_object
from keeper.domain.record import CycleOutcome
from tests.cli.records import a_failure, a_record

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
            "volatility": {"ewma": float, "implied": (float, type(None)), "blended": float},
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


def strictly_parsed(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_object_has_the_promised_shape() -> None:
    assert_shaped(PROMISED, strictly_parsed(dumped(record_object(a_record()))))


def test_infinite_and_undefined_numbers_are_null() -> None:
    value = strictly_parsed(dumped(record_object(a_record())))
    assert value["health_factor"] is None
    assert value["gates"][2]["value"] is None
    assert finite((1, math.nan, {"x": math.inf})) == [1, None, {"x": None}]


def test_a_failed_cycle_has_the_same_keys_and_its_error() -> None:
    whole = record_object(a_record())
    failed = record_object(
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
    steps = record_object(a_record())["plan"]["steps"]
    assert str(2**256 - 1) == steps[1]["amount"]


def test_the_reason_is_the_summary_of_what_became_of_the_cycle() -> None:
    record = replace(a_record(), summary="HOLD: the simulated transaction reverts with LossAboveLimit")
    assert record.summary == record_object(record)["reason"]


@pytest.mark.parametrize("outcome", list(CycleOutcome))
def test_every_outcome_is_said(outcome: CycleOutcome) -> None:
    assert outcome.value == record_object(a_record(outcome=outcome))["outcome"]

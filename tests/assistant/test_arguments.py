"""A wrong argument is named with its value and what it must be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from keeper.assistant.arguments import (
    Arguments,
    CostsArguments,
    ExplainArguments,
    NoArguments,
    RecordArguments,
    RecordsArguments,
    parsed,
)
from keeper.domain.errors import BadInput
from keeper.views.period_costs import Per


def test_what_is_left_out_has_its_default() -> None:
    assert parsed(RecordsArguments, {}) == RecordsArguments(limit=10, before=None)
    costs = parsed(CostsArguments, {"from": "2023-06-01", "per": "week"})
    assert (costs.since, costs.until, costs.per) == (date(2023, 6, 1), None, Per.WEEK)


@pytest.mark.parametrize(
    ("model", "given", "message", "remedy"),
    [
        (RecordsArguments, {"limit": "ten"}, 'limit = "ten": ', "limit: How many records, 1 to 50"),
        (RecordsArguments, {"limit": 51}, "limit = 51: ", "1 to 50"),
        (RecordsArguments, {"limit": 2.5}, "limit = 2.5: ", "1 to 50"),
        (RecordsArguments, {"limit": True}, "limit = true: ", "1 to 50"),
        (RecordsArguments, {"before": "%"}, 'before = "%": ', "`next_before`"),
        (RecordArguments, {}, "record_id = null: Field required", "in hex"),
        (RecordArguments, {"record_id": ["a"]}, 'record_id = ["a"]: ', "in hex"),
        (RecordArguments, {"record_id": "zzzz"}, 'record_id = "zzzz": ', "in hex"),
        (ExplainArguments, {"what": 5}, "what = 5: ", "exit code"),
        (ExplainArguments, {"what": "\ud800"}, "arguments = ", "The arguments are: what."),
        (CostsArguments, {"from": "yesterday"}, 'from = "yesterday": ', "YYYY-MM-DD"),
        (CostsArguments, {"per": "year"}, 'per = "year": ', "day, week or month"),
        (NoArguments, {"execute": True}, "execute = true: ", "The arguments are: none."),
    ],
)
def test_a_wrong_argument_is_named_with_its_value_and_a_remedy(
    model: type[Arguments], given: dict[str, Any], message: str, remedy: str
) -> None:
    with pytest.raises(BadInput) as caught:
        parsed(model, given)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_every_wrong_argument_is_named_and_a_long_value_is_cut() -> None:
    with pytest.raises(BadInput) as caught:
        parsed(RecordsArguments, {"limit": 0, "before": "x" * 10_000})
    assert "limit = 0" in caught.value.message
    assert "before" in caught.value.message
    assert len(caught.value.message) < 500


def test_every_argument_says_what_it_is() -> None:
    for model in (CostsArguments, ExplainArguments, RecordArguments, RecordsArguments):
        schema = model.model_json_schema(by_alias=True)
        assert schema["additionalProperties"] is False
        assert all(entry["description"] for entry in schema["properties"].values())

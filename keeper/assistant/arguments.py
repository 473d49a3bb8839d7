"""What the tools are asked with. Each model gives a tool's JSON schema and the message for a wrong argument."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keeper.domain.errors import BadInput
from keeper.views.period_costs import Per

MAX_RECORDS = 50
MAX_ID_CHARS = 64
MAX_SHOWN = 80
RECORD_ID = r"^[0-9a-fA-F]+$"

RecordId = Annotated[str, Field(min_length=4, max_length=MAX_ID_CHARS, pattern=RECORD_ID)]


class Arguments(BaseModel):
    """No argument is converted, and no unknown one is ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class NoArguments(Arguments):
    """A tool without arguments."""


class ExplainArguments(Arguments):
    what: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_ID_CHARS,
        description="A record's id or its first 4 characters or more; or an exit code, error, gate, check, bound, "
        "hindrance, price rule or pause. Default: the newest record.",
    )


class RecordsArguments(Arguments):
    limit: int = Field(
        10, ge=1, le=MAX_RECORDS, description=f"How many records, 1 to {MAX_RECORDS}, the newest first."
    )
    before: RecordId | None = Field(
        None, description="Only records that are older than this one: the `next_before` of the page before."
    )


class RecordArguments(Arguments):
    record_id: RecordId = Field(description="A record's id or its first 4 characters or more, in hex.")


class CostsArguments(Arguments):
    since: date | None = Field(
        None, description="First day, UTC, as YYYY-MM-DD. Default: all there are.", alias="from"
    )
    until: date | None = Field(
        None, description="Last day, UTC, as YYYY-MM-DD. Default: all there are.", alias="to"
    )
    per: Per = Field(Per.MONTH, description="Length of the periods, UTC: day, week or month.")


Model = TypeVar("Model", bound=Arguments)


def parsed(model: type[Model], given: Mapping[str, Any]) -> Model:
    """Raises BadInput naming every wrong argument, its value and what it must be."""
    try:
        return model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
    names = [str(entry["loc"][0]) if entry["loc"] else "arguments" for entry in wrong]
    texts = [
        f"{name} = {_shown(given.get(name))}: {entry['msg']}"
        for name, entry in zip(names, wrong, strict=True)
    ]
    meanings = {field.alias or name: field.description for name, field in model.model_fields.items()}
    remedies = [f"{name}: {meanings[name]}" for name in dict.fromkeys(names) if name in meanings]
    known = f"The arguments are: {', '.join(meanings) or 'none'}."
    raise BadInput("; ".join(texts), remedy=" ".join(remedies or [known]))


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"

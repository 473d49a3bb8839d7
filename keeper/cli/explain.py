"""``keeper explain``: a cycle in plain sentences, or the meaning of a name that the keeper printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from keeper.app.queries import stored_records
from keeper.cli.options import AsJson
from keeper.cli.output import console, facts, print_json
from keeper.domain.errors import RecordNotFound
from keeper.domain.record import DecisionRecord
from keeper.settings.load import load
from keeper.settings.schema import Settings
from keeper.views.explanation import EXPLANATION, Explanation
from keeper.views.explanation import explain as explanation_of
from keeper.views.reference import MEANING, NamedMeaning, meanings, required_meanings
from keeper.views.status import RECORD_SUMMARY

MIN_ID_CHARS = 4

What = Annotated[
    str | None,
    typer.Argument(
        metavar="[CYCLE|CODE]",
        help="A record's id or its first 4 characters or more; or an exit code, error, gate, check, bound, "
        "hindrance, price rule or pause. Default: the newest record.",
    ),
]


def explain(what: What = None, as_json: AsJson = False) -> None:
    """Explain a cycle: why it traded or held, and at which prices it would act. Or explain a name. Changes nothing."""
    named = meanings(what) if what is not None else ()
    if not named and what is not None and not _is_id(what):
        named = required_meanings(what)
    if named:
        _show(as_json, {"meanings": [MEANING.json(entry) for entry in named]}, _meanings(named))
        return
    explanation = explanation_of(_record(load(), what))
    _show(as_json, EXPLANATION.json(explanation), _page(explanation))


def _is_id(text: str) -> bool:
    return len(text) >= MIN_ID_CHARS and all(character in "0123456789abcdef" for character in text.lower())


def _record(settings: Settings, record_id: str | None) -> DecisionRecord:
    with stored_records(settings) as stored:
        if record_id is not None:
            return stored.record(record_id.lower())
        newest = stored.latest(1)
    if not newest:
        raise RecordNotFound(
            "the journal has no records yet",
            remedy="Run `keeper run`; without --live every cycle is a dry run.",
        )
    return newest[0]


def _show(as_json: bool, value: object, page: RenderableType) -> None:
    if as_json:
        print_json(value)
    else:
        console().print(page)


def _meanings(named: Sequence[NamedMeaning]) -> RenderableType:
    return facts((f"{entry.name} ({entry.kind})", _meaning(entry)) for entry in named)


def _meaning(entry: NamedMeaning) -> str:
    code = f"\nExit code {entry.exit_code}." if entry.exit_code and entry.kind != "exit code" else ""
    return f"{entry.meaning}{code}" + (f"\n{entry.remedy}" if entry.remedy else "")


def _page(explanation: Explanation) -> RenderableType:
    record = explanation.record
    parts: list[RenderableType] = [
        RECORD_SUMMARY.text(record, "Record {record_id:.12} of {started_at}, {mode}")
    ]
    for heading, lines in (
        ("Why", explanation.why),
        ("What would change it", explanation.changes),
        ("Next look", (explanation.next_look,)),
    ):
        parts += [Text(f"\n{heading}", style="bold"), *(Text(f"- {line}") for line in lines)]
    return Group(*parts)

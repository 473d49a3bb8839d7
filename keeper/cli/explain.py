"""``keeper explain``: a cycle in plain sentences, or the meaning of a name that the keeper printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from keeper.app.queries import explanation_of
from keeper.cli.options import AsJson
from keeper.cli.output import console, facts, print_json
from keeper.settings.load import load
from keeper.views.explanation import Explanation, explained_json
from keeper.views.reference import NamedMeaning
from keeper.views.status import RECORD_SUMMARY

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
    explained = explanation_of(what, load)
    if as_json:
        print_json(explained_json(explained))
    elif isinstance(explained, Explanation):
        console().print(_page(explained))
    else:
        console().print(_meanings(explained))


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

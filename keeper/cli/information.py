"""``keeper information``: what the last look knew, what it missed, and the acceptance of what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from keeper.app import operator
from keeper.app.queries import stored_information
from keeper.cli.options import AsJson
from keeper.cli.output import console, print_json, table_of
from keeper.domain.errors import BadInput
from keeper.domain.information import InformationMemory
from keeper.settings.load import load
from keeper.views.information import FACT, INFORMATION, MISSING, information_line, missing_rows

MISSING_FACTS = (
    ("missing", "{name}"),
    (">known before", "{before}"),
    (">now", "{now}"),
    ("since", "{since}"),
    ("accepted", "{accepted}"),
)
FACTS = (("known then", "{name}"), (">amount", "{amount}"))


def information(
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept what is missing, so that it no longer holds risk down.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="The reason. The journal keeps it. --accept needs it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the keeper knows, what is missing and since when; accept it with --accept."""
    settings = load()
    if accept != bool(reason):
        raise BadInput(
            "keeper information: --accept and --reason belong together",
            remedy='Run `keeper information --accept --reason "why"`, or `keeper information` alone.',
        )
    if accept and reason is not None:
        accepted = operator.accept_missing(settings, reason)
        names = ", ".join(fact.name for fact in accepted.facts) if accepted is not None else ""
        console().print(
            f"Accepted: {names}. It counts from the next cycle on." if names else "Nothing is missing."
        )
        return
    memory = stored_information(settings)
    if as_json:
        print_json(INFORMATION.json(memory))
    else:
        console().print(Group(*_sections(memory)))


def _sections(memory: InformationMemory) -> Iterator[RenderableType]:
    rows = missing_rows(memory)
    yield Text(information_line(memory, [row.fact.name for row in rows if not row.accepted]))
    if rows:
        yield table_of(MISSING, rows, MISSING_FACTS, title="Missing")
    if memory.look is not None:
        yield table_of(FACT, memory.look.facts, FACTS, title="The last fully informed look")

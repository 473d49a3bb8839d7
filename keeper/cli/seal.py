"""``keeper seal``: approve program, ABIs and settings as they are now."""

from __future__ import annotations

from typing import Annotated

import typer

from keeper.app import operator
from keeper.settings.load import load


def seal(
    show: Annotated[bool, typer.Option("--show", help="Compare with the seal, and change nothing.")] = False,
) -> None:
    """Write the SHA-256 of program, ABIs and settings into the journal.

    From then on a keeper that may send refuses to start with anything else.
    """
    settings = load()
    before, now = operator.sealed(settings) if show else operator.seal(settings)
    for kind, sha256 in now.items():
        known = before.get(kind)
        state = "not sealed before" if known is None else "as sealed" if known == sha256 else "CHANGED"
        typer.echo(f"{kind:<9} {sha256}  {state}")
    if not show:
        typer.echo("Sealed.")

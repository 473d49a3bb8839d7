"""``keeper seal``: approve program, ABIs and settings as they are now."""

from __future__ import annotations

from typing import Annotated

import typer


def seal(
    show: Annotated[bool, typer.Option("--show", help="Only compare; approve nothing.")] = False,
) -> None:
    """Write their digests into the journal; from then on a keeper that sends refuses to start with others."""
    from keeper.app import operator
    from keeper.cli.render import console
    from keeper.settings.load import load

    settings, screen = load(), console()
    before, now = operator.sealed(settings) if show else operator.seal(settings)
    for kind, sha256 in now.items():
        known = before.get(kind)
        state = "not sealed before" if known is None else "as sealed" if known == sha256 else "CHANGED"
        screen.print(f"{kind:<9} {sha256}  {state}")
    if not show:
        screen.print("Sealed.")

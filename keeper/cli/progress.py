"""What a long read is doing, on stderr."""

from __future__ import annotations

import typer


def tell(what: str) -> None:
    """One line; standard output stays for the result."""
    typer.echo(f"… {what}", err=True)

"""``keeper mcp``: answers an operator's assistant. It reads and explains; it sends, pauses and writes nothing."""

from __future__ import annotations

import sys

import typer

from keeper.domain.errors import InvalidSetting, install_extra


def mcp() -> None:
    """Answer an assistant's questions: a read-only MCP server on standard input and output. An assistant starts it."""
    try:
        from keeper.assistant.server import serve
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("mcp"):
            raise
        raise InvalidSetting(
            "`keeper mcp` needs the package mcp, which is not installed, or not in this version",
            remedy=install_extra("mcp"),
        ) from None
    if sys.stdin.isatty():
        typer.echo(
            "waiting for an assistant on standard input; docs/mcp.md says how to register it", err=True
        )
    serve()

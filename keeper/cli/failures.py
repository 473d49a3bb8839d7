"""An expected error on the screen or as JSON."""

from __future__ import annotations

from keeper.domain.errors import KeeperError


def report(error: KeeperError, *, as_json: bool) -> int:
    """Prints the error, as JSON on stdout or for people on stderr; returns its exit code."""
    from keeper.cli.output import console, print_json

    if as_json:
        from keeper.views.record import ERROR

        print_json({"error": ERROR.json(error)})
        return error.exit_code

    from rich.panel import Panel
    from rich.text import Text

    body = Text(error.message)
    body.append(f"\n\n{error.remedy}", style="bold")
    title = f"{error.name} (exit code {error.exit_code})"
    console(to_stderr=True).print(Panel(body, title=title, title_align="left", border_style="red"))
    return error.exit_code

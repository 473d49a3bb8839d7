"""An expected error, told: message and remedy for people on stderr, an object for machines on stdout."""

from __future__ import annotations

from keeper.domain.errors import KeeperError


def report(error: KeeperError, *, as_json: bool) -> int:
    """Tells it and returns the exit code of its branch."""
    if as_json:
        import typer

        from keeper.cli.as_json import dumped, error_object

        typer.echo(dumped({"error": error_object(error)}))
        return error.exit_code

    from rich.panel import Panel
    from rich.text import Text

    from keeper.cli.render import console

    body = Text(error.message)
    body.append(f"\n\n{error.remedy}", style="bold")
    title = f"{error.name} (exit code {error.exit_code})"
    console(to_stderr=True).print(Panel(body, title=title, title_align="left", border_style="red"))
    return error.exit_code

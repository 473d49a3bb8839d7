"""The page as HTML. Every text is escaped, and shows what is not printable as an escape."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from keeper.domain.remote_text import printable_lines
from keeper.web.content import Page

LONGEST_TEXT = 2_000
"""Characters of one text that the page shows."""


def rendered(page: Page) -> str:
    """The whole document."""
    return _template().render(page=page)


def asset(name: str) -> bytes:
    """A file of this package, as it is."""
    return (files("keeper.web") / name).read_bytes()


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup
    return environment.from_string(asset("page.html").decode())


def _shown(value: object) -> object:
    """Text of others may hold anything, in any length."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = printable_lines(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"

"""What the pages and files that are made from the settings' declarations have in common."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel


def heading(table: type[BaseModel]) -> str:
    """The first line of the table's docstring, without its full stop."""
    return (table.__doc__ or "").split("\n", 1)[0].removesuffix(".")


def literals(annotation: Any) -> tuple[Any, ...]:
    """The allowed values of a Literal, also of one in a union or a tuple; () for any other type."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for part in get_args(annotation) for word in literals(part))

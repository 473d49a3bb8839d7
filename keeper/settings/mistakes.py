"""Wrong settings as sentences: the name that the operator wrote, the value, the rule and the meaning."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from keeper.settings.fields import PREFIX, field_at, setting_names, table_at, variable
from keeper.settings.redact import redacted
from keeper.settings.schema import STRATEGY, Settings

IN_ENVIRONMENT = frozenset(Settings.model_fields) - frozenset(STRATEGY)


def misspelt(given: Iterable[str]) -> Iterator[str]:
    """Sentences on variables with nearly the name of a setting, which would be ignored otherwise."""
    names = [variable(field) for field in Settings.model_fields]
    for name in sorted(set(given)):
        if not name.startswith(PREFIX) or name in names or name.partition("__")[0] in names:
            continue
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
        if near:
            yield f"{name} is not a setting. Did you mean {near[0]}?"


def mistakes(error: ValidationError, origins: Mapping[str, str]) -> Iterator[str]:
    """One sentence per mistake. ``origins`` is the source of each dotted field."""
    every = error.errors(include_url=False)
    for details in every:
        if details["type"] == "too_short" and any(_within(other, details) for other in every):
            continue  # the list is short because its entries are wrong, which is a mistake of its own
        field = ".".join(str(part) for part in details["loc"])
        yield _sentence(field, details, _origin(field, origins))


def listed(sentences: list[str], what: str = "settings are wrong") -> str:
    """One sentence as it is, several as a list under their number and ``what`` they are."""
    if len(sentences) == 1:
        return sentences[0]
    return f"{len(sentences)} {what}:\n" + "\n".join(f"- {sentence}" for sentence in sentences)


def _within(inner: ErrorDetails, outer: ErrorDetails) -> bool:
    return len(inner["loc"]) > len(outer["loc"]) and inner["loc"][: len(outer["loc"])] == outer["loc"]


def _origin(field: str, origins: Mapping[str, str]) -> str | None:
    while field:
        if field in origins:
            return origins[field]
        field = field.rpartition(".")[0]
    return None


def _sentence(field: str, details: ErrorDetails, origin: str | None) -> str:
    shown = (
        variable(field)
        if field in IN_ENVIRONMENT or origin == "environment" or str(origin).endswith(".env")
        else field
    )
    place = f" ({origin})" if origin else ""
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, _all_fields(details["loc"]), n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"{shown}{place} is not a setting.{hint}"
    if not details["loc"]:
        return message
    described = field_at(details["loc"])
    meaning = f". Meaning: {described.description}" if described is not None and described.description else ""
    if details["type"] == "missing":
        return f"{shown}{place} is missing{meaning}"
    value = details["input"]
    given = "" if isinstance(value, (Mapping, list, tuple)) else f" = {redacted(field, value)}"
    return f"{shown}{given}{place}: {message}{meaning}"


def _all_fields(loc: tuple[int | str, ...]) -> list[str]:
    """Dotted names to suggest for an unknown one: those of its own table first, then every setting."""
    above = ".".join(str(part) for part in loc[:-1])
    model = table_at(loc[:-1])
    siblings = (
        [f"{above}.{name}" if above else name for name in model.model_fields] if model is not None else []
    )
    return [*siblings, *(name for name in setting_names() if name not in siblings)]

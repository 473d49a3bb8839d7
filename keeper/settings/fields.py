"""The settings' declarations, taken apart: dotted names, environment variables and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from keeper.settings.schema import Settings

PREFIX = "KEEPER_"


def variable(field: str) -> str:
    """The environment variable of a field: size.target_volatility is KEEPER_SIZE__TARGET_VOLATILITY."""
    return PREFIX + field.replace(".", "__").upper()


def setting_names() -> tuple[str, ...]:
    """Every setting in dotted form; ``[]`` stands for the place in a list of tables."""
    return tuple(name for name, _ in setting_fields())


def setting_fields(model: type[BaseModel] = Settings, above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting's dotted name and its definition."""
    for name, field in model.model_fields.items():
        table = nested_table(field)
        if table is None:
            yield f"{above}{name}", field
        else:
            repeated = "[]" if field.annotation is not table else ""
            yield from setting_fields(table, f"{above}{name}{repeated}.")


def flattened(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """("size.target_volatility", 0.8) and so on; lists stay whole."""
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from flattened(value, f"{name}.")
        else:
            yield name, value


def table_at(loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The table that a location in the settings leads to, or None."""
    model: type[BaseModel] | None = Settings
    for part in loc:
        if isinstance(part, int):
            continue
        if model is None or part not in model.model_fields:
            return None
        model = nested_table(model.model_fields[part])
    return model


def field_at(loc: tuple[int | str, ...]) -> FieldInfo | None:
    """The definition of the setting at a location, or None."""
    names = [part for part in loc if isinstance(part, str)]
    model = table_at(tuple(names[:-1])) if names else None
    return None if model is None else model.model_fields.get(names[-1])


def nested_table(field: FieldInfo) -> type[BaseModel] | None:
    """The table that a field is, or is a list of; None for a single setting."""
    candidates = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)), None)

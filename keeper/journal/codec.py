"""Domain values as canonical JSON, and back without loss.

Integers of any size stay integers, floats come back to the same bits (infinite and NaN as words), enums as
their values, tuples as arrays, dataclasses as objects in field order, without the fields that they derive. Equal values
have equal text, so hashes can be compared. A field that an earlier version did not write gets its default.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Value = TypeVar("Value")
Decode = Callable[[Any], Any]
_WORDS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def encode(value: Value, kind: type[Value]) -> bytes:
    """Canonical JSON of a dataclass, UTF-8. Raises TypeError if the value is not of ``kind``."""
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} is not {kind.__name__}")
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def decode(body: bytes, kind: type[Value]) -> Value:
    """The value that ``encode`` wrote. Raises ValueError, KeyError or TypeError for other content."""
    decoder: Decode = _decoder(cast(Hashable, kind))
    return cast(Value, decoder(json.loads(body)))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, int):
        return int(value)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.init}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    raise TypeError(f"{type(value).__name__} has no canonical JSON")


@cache
def _decoder(kind: Any) -> Decode:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        decode_inner = _decoder(inner)
        return lambda raw: None if raw is None else decode_inner(raw)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is not None and issubclass(origin, Mapping):
        decode_item = _decoder(arguments[1])
        return lambda raw: {key: decode_item(item) for key, item in raw.items()}
    if is_dataclass(kind):
        return _dataclass_decoder(cast(type[Any], kind))
    if issubclass(kind, StrEnum):
        return cast(Decode, kind)
    return _float if kind is float else _strict(kind)


def _tuple_decoder(arguments: tuple[Any, ...]) -> Decode:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        decode_item = _decoder(arguments[0])
        return lambda raw: tuple(decode_item(item) for item in raw)
    decoders = [_decoder(argument) for argument in arguments]
    return lambda raw: tuple(decode_item(item) for decode_item, item in zip(decoders, raw, strict=True))


def _dataclass_decoder(kind: type[Any]) -> Decode:
    hints = get_type_hints(kind)
    decoders = {field.name: _decoder(hints[field.name]) for field in fields(kind) if field.init}
    optional = {field.name for field in fields(kind) if field.default is not MISSING}

    def decode_object(raw: dict[str, Any]) -> Any:
        present = {name: it for name, it in decoders.items() if name in raw or name not in optional}
        return kind(**{name: decode_field(raw[name]) for name, decode_field in present.items()})

    return decode_object


def _float(raw: Any) -> float:
    if not isinstance(raw, str):
        return float(raw)
    if raw not in _WORDS:
        raise ValueError(f"{raw!r:.40} is no number")
    return _WORDS[raw]


def _strict(kind: type[Any]) -> Decode:
    def check(raw: Any) -> Any:
        if type(raw) is not kind:
            raise TypeError(f"{raw!r:.40} is not {kind.__name__}")
        return raw

    return check

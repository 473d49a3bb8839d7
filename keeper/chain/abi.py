"""The ABIs in contracts_abi/, as functions that encode calls and decode answers.

eth_abi rather than web3: a third of the start-up time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import (
    abi_to_signature,
    function_signature_to_4byte_selector,
    get_abi_input_types,
    get_abi_output_types,
)

from keeper.domain.remote_text import printable
from keeper.runtime.shipped import shipped

FOLDER = shipped() / "contracts_abi"


class DecodeError(ValueError):
    """Bytes that are not what the ABI says."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a contract. ``signature`` is canonical: "balanceOf(address)"."""

    signature: str
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def encode(self, *arguments: object) -> bytes:
        """Calldata. Structs are tuples, addresses 0x-hex, bytes are bytes."""
        return self.selector + encode(self.inputs, arguments)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The return values, addresses as lower-case 0x-hex. Raises DecodeError."""
        return decode_values(self.outputs, data)


@dataclass(frozen=True, slots=True)
class Error:
    """One custom error; ``names`` are those of its arguments."""

    name: str
    selector: bytes
    inputs: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Abi:
    """Functions and errors by name; of an overloaded function the last in the file."""

    functions: Mapping[str, Function]
    errors: Mapping[str, Error]

    def __getitem__(self, name: str) -> Function:
        return self.functions[name]


def decode_values(types: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    """ABI-decoded values; of strings what is printable. Raises DecodeError."""
    try:
        values = decode(types, data)
    except (DecodingError, OverflowError, ValueError) as error:
        raise DecodeError(f"{len(data)} bytes are not ({','.join(types)}): {error}") from error
    return tuple(
        printable(value) if kind == "string" else value for kind, value in zip(types, values, strict=True)
    )


@cache
def artifact_of(name: str) -> Mapping[str, Any]:
    """contracts_abi/<name>.json: ``abi``, ``source``; of what we deploy ``bytecode``, ``links``, ``runtime_bytes``."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


def constructor_types(name: str) -> tuple[str, ...]:
    """Of the constructor's arguments, in their order; empty where the contract declares none."""
    declared = [entry for entry in artifact_of(name)["abi"] if entry["type"] == "constructor"]
    return tuple(get_abi_input_types(declared[0])) if declared else ()


@cache
def load(name: str) -> Abi:
    """contracts_abi/<name>.json."""
    entries = artifact_of(name)["abi"]
    functions = [_function(entry) for entry in entries if entry["type"] == "function"]
    errors = [_error(entry) for entry in entries if entry["type"] == "error"]
    return Abi(
        functions={function.signature.partition("(")[0]: function for function in functions},
        errors={error.name: error for error in errors},
    )


def _function(entry: Any) -> Function:
    signature = abi_to_signature(entry)
    return Function(
        signature=signature,
        selector=function_signature_to_4byte_selector(signature),
        inputs=tuple(get_abi_input_types(entry)),
        outputs=tuple(get_abi_output_types(entry)),
    )


def _error(entry: Any) -> Error:
    return Error(
        name=entry["name"],
        selector=function_signature_to_4byte_selector(abi_to_signature(entry)),
        inputs=tuple(get_abi_input_types(entry)),
        names=tuple(argument.get("name", "") for argument in entry["inputs"]),
    )

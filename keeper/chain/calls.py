"""One read of a contract as a value: target, calldata and decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from keeper.chain.abi import DecodeError, Function
from keeper.domain.errors import NodeUntrusted, WrongContract

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """``what`` names it in messages: "vault 0xabc….policy()". ``decode`` may raise DecodeError."""

    what: str
    target: str
    data: bytes
    decode: Callable[[bytes], T]


def call(name: str, target: str, function: Function, *arguments: object) -> Call[Any]:
    """A call with one return value, as eth_abi decodes it."""
    return Call(
        what=f"{function.signature.partition('(')[0]}() of {name} {target}",
        target=target,
        data=function.encode(*arguments),
        decode=lambda data: function.decode(data)[0],
    )


def mapped(
    name: str, target: str, function: Function, build: Callable[..., T], *arguments: object
) -> Call[T]:
    """A call whose return values are the arguments of ``build``."""
    return Call(
        what=f"{function.signature.partition('(')[0]}() of {name} {target}",
        target=target,
        data=function.encode(*arguments),
        decode=lambda data: build(*function.decode(data)),
    )


@dataclass(frozen=True, slots=True)
class CallResult:
    """What one call inside a multicall returned: its data, or its revert data."""

    success: bool
    data: bytes


class Answers:
    """The results of many calls. Each result is looked up by its call. ``source`` says in messages where they are from:
    a method and the address of a node."""

    def __init__(self, calls: Sequence[Call[Any]], outcomes: Sequence[CallResult], source: str) -> None:
        self._source = source
        self._outcomes = {
            (call.target, call.data): outcome for call, outcome in zip(calls, outcomes, strict=True)
        }

    def of(self, call: Call[T]) -> T:
        """The answer of a contract that has answered before. Raises NodeUntrusted when it does not answer."""
        try:
            return self.first(call)
        except WrongContract as error:
            raise NodeUntrusted(error.message, remedy=_ANSWERED_BEFORE) from error  # it names the source

    def untrusted(self, what: str, *, remedy: str) -> NodeUntrusted:
        """The error for answers that contradict each other or what else is known."""
        return NodeUntrusted(f"{what} ({self._source})", remedy=remedy)

    def first(self, call: Call[T]) -> T:
        """The answer of a contract that is asked for the first time. Raises WrongContract when it does not answer."""
        outcome = self.outcome(call)
        if not outcome.success:
            raise WrongContract(f"{call.what} reverted ({self._source})", remedy=_CHECK)
        try:
            return call.decode(outcome.data)
        except DecodeError as error:
            raise WrongContract(
                f"{call.what} gave an answer that cannot be decoded: {error} ({self._source})", remedy=_CHECK
            ) from error

    def maybe(self, call: Call[T]) -> T | None:
        """The answer, or None when the call reverted or cannot be decoded."""
        outcome = self.outcome(call)
        if not outcome.success:
            return None
        try:
            return call.decode(outcome.data)
        except DecodeError:
            return None

    def outcome(self, call: Call[Any]) -> CallResult:
        """The raw result."""
        return self._outcomes[(call.target, call.data)]


_CHECK = (
    "Another contract, or none, is at this address. Check the address in the settings and the node's chain."
)
_ANSWERED_BEFORE = (
    "The contract answered when the keeper started. If it was changed since, restart the keeper. "
    "If not, the node reads a wrong state: use another node."
)

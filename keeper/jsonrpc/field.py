"""One value of a node's answer, with its place. It becomes a typed value, or an error that names method and field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keeper.domain.errors import NodeUntrusted

MAX_INTEGER = 2**63 - 1
"""For heights, nonces and gas. Honest values are far smaller, and the journal stores 64 bits."""
MAX_WEI = 2**128 - 1
MAX_TIME = 253_402_300_799
"""The last second of the year 9999. Calendars end there."""
SHOWN = 60
"""Characters of a wrong value in a message."""

_QUANTITY = re.compile(r"0[xX][0-9a-fA-F]+")
_HASH = re.compile(r"0[xX][0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class AnswerField:
    """``value`` is parsed JSON; ``node`` an address without secrets; ``path`` the fields that lead here, as in
    "logs[2].topics". Every method that parses raises NodeUntrusted.

    Spelling does not matter: leading zeros and upper-case digits give the same value.
    """

    value: Any
    method: str
    node: str
    path: str = ""

    @property
    def is_null(self) -> bool:
        """Also True of a field that is missing."""
        return self.value is None

    def field(self, name: str) -> AnswerField:
        """A member of an object. A missing one is null."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return self._inner(self.value.get(name), f".{name}" if self.path else name)

    def items(self) -> list[AnswerField]:
        """The elements of an array."""
        if not isinstance(self.value, list):
            raise self.wrong("an array")
        return [self._inner(value, f"[{place}]") for place, value in enumerate(self.value)]

    def members(self) -> Iterator[tuple[str, AnswerField]]:
        """Names and values of an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        for name, value in self.value.items():
            yield name, self._inner(value, f".{name:.20}")

    def integer(self) -> int:
        """A height, a nonce or an amount of gas."""
        return self._quantity(MAX_INTEGER)

    def wei(self) -> int:
        return self._quantity(MAX_WEI)

    def time(self) -> int:
        """Unix seconds."""
        return self._quantity(MAX_TIME)

    def flag(self) -> bool:
        """A quantity that is 0 or 1."""
        return self._quantity(1) == 1

    def hash(self) -> str:
        """32 bytes in lower-case 0x-hex."""
        return self._matching(_HASH, "a hash of 32 bytes").lower()

    def address(self) -> str:
        """20 bytes in lower-case 0x-hex."""
        return self._matching(_ADDRESS, "an address").lower()

    def data(self) -> bytes:
        """Any number of bytes."""
        value = self.value
        if isinstance(value, str) and value[:2] in ("0x", "0X") and len(value) % 2 == 0:
            try:
                data = bytes.fromhex(value[2:])
            except ValueError:
                pass
            else:
                if 2 * len(data) == len(value) - 2:  # fromhex skips blanks
                    return data
        raise self.wrong("bytes in 0x-hex")

    def text(self) -> str:
        """Printable characters."""
        if not isinstance(self.value, str) or not self.value.isprintable():
            raise self.wrong("text")
        return self.value

    def wrong(self, expected: str) -> NodeUntrusted:
        """The error for a value that is not what the method's specification says."""
        shown = "missing or null" if self.value is None else f"{self.value!r:.{SHOWN}}"
        return NodeUntrusted(
            f"{self.method}: {self.path or 'the result'} is {shown}, not {expected} (node {self.node})",
            remedy="Do not trust this node until its operator explains the answer. "
            "Or set KEEPER_RPC_URL to another node.",
        )

    # ------------------------------------------------------------------ inside

    def _inner(self, value: Any, step: str) -> AnswerField:
        return AnswerField(value, method=self.method, node=self.node, path=self.path + step)

    def _quantity(self, maximum: int) -> int:
        number = int(self._matching(_QUANTITY, "a hexadecimal quantity"), 16)
        if number > maximum:
            raise self.wrong(f"at most {maximum}")
        return number

    def _matching(self, pattern: re.Pattern[str], expected: str) -> str:
        if not isinstance(self.value, str) or pattern.fullmatch(self.value) is None:
            raise self.wrong(expected)
        return self.value

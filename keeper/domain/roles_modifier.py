"""A Zodiac Roles modifier: the contract through which the keeper's key acts as a Safe. Its calls, encoded and read.

The modifier lets a member of a role make the calls that its owner has allowed to that role, and carries them out as its
Safe. Where such a call fails, the Safe answers false. The modifier then reverts, because the keeper always asks it to,
but without the reason: a second function of it answers the reason instead.
"""

from __future__ import annotations

from dataclasses import dataclass

EXECUTE = "0xc6fe8747"
"""First four bytes of keccak256("execTransactionWithRole(address,uint256,bytes,uint8,bytes32,bool)")."""
EXECUTE_AND_ANSWER = "0x2b99e506"
"""The same of "execTransactionWithRoleReturnData(address,uint256,bytes,uint8,bytes32,bool)"."""
EXECUTED = (1).to_bytes(32, "big")
"""What the first answers where the Safe's call succeeded."""
_WORD = 32
_HEAD = 6 * _WORD
_DATA_AT, _SHOULD_REVERT_AT = 4 + 2 * _WORD, 4 + 5 * _WORD
_NO_VALUE, _CALL, _SHOULD_REVERT = 0, 0, 1


@dataclass(frozen=True, slots=True)
class RolesModifier:
    """``address`` takes the key's calls. ``role`` is the role that the key has there, 32 bytes in 0x-hex."""

    address: str
    role: str

    def wrapped(self, to: str, calldata: bytes) -> bytes:
        """Calldata with which the modifier makes the call of ``to`` as its Safe, without value, or reverts."""
        head = (int(to, 16), _NO_VALUE, _HEAD, _CALL, int(self.role, 16), _SHOULD_REVERT)
        padding = bytes(-len(calldata) % _WORD)
        words = b"".join(map(_word, (*head, len(calldata))))
        return bytes.fromhex(EXECUTE[2:]) + words + calldata + padding

    def inner(self, to: str, wrapped: bytes) -> bytes | None:
        """The calldata for ``to`` in it. None for anything that ``wrapped`` does not make: another recipient, a value,
        a delegatecall, another role, or a failure that would not revert."""
        size_at = 4 + _HEAD
        size = int.from_bytes(wrapped[size_at : size_at + _WORD], "big")
        start = size_at + _WORD
        calldata = wrapped[start : start + size]
        return calldata if wrapped == self.wrapped(to, calldata) else None


def question(wrapped: bytes) -> bytes:
    """The same call as one that answers what came of it. It is asked of a node and never signed."""
    return (
        bytes.fromhex(EXECUTE_AND_ANSWER[2:])
        + wrapped[4:_SHOULD_REVERT_AT]
        + _word(0)
        + wrapped[_SHOULD_REVERT_AT + _WORD :]
    )


@dataclass(frozen=True, slots=True)
class InnerAnswer:
    """What came of the Safe's call. ``data`` is what it returned, or its revert data."""

    succeeded: bool
    data: bytes


def inner_answer(answer: bytes) -> InnerAnswer | None:
    """The answer to ``question``; None where it is not one."""
    succeeded, at = _number(answer, 0), _number(answer, _WORD)
    size = _number(answer, at)
    data = answer[at + _WORD : at + _WORD + size]
    if succeeded not in (0, 1) or at < 2 * _WORD or len(data) != size or len(answer) < at + _WORD:
        return None
    return InnerAnswer(succeeded == 1, data)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + _WORD], "big")


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")

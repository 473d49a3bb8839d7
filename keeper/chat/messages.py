"""What a message of the chat is, and whether it may ask for something. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeGuard

from keeper.domain.remote_text import printable

MAX_AGE_S = 120
"""A message that is older, or from the future by as much, does nothing: a pause of yesterday is not one of today."""
MAX_ARGUMENT_CHARS = 200
LIMIT, LIMIT_S = 10, 60.0
"""Answers in a stretch of time, to all people together. A pause is never held back."""
LARGEST_ID = 2**63


class Permission(StrEnum):
    """STRANGER: nobody who may ask, or not in private. LATE: too old. ALLOWED: it is carried out."""

    STRANGER = "STRANGER"
    LATE = "LATE"
    ALLOWED = "ALLOWED"


@dataclass(frozen=True, slots=True)
class Message:
    """``sender`` is the id of a person, ``at`` the server's Unix seconds. ``private``: nobody else reads the answer."""

    sender: int
    private: bool
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """``name`` is the first word in lower case, without the bot's name, and without slash and punctuation around it.
    ``argument`` is the rest, on one line."""

    sender: int
    name: str
    argument: str


@dataclass(slots=True)
class Pace:
    """When the last answers were given, in seconds of any clock that does not go back."""

    answered_at: deque[float] = field(default_factory=deque)

    def allows(self, now: float) -> bool:
        """Whether one more answer is within the limit. It is counted then."""
        while self.answered_at and now - self.answered_at[0] >= LIMIT_S:
            self.answered_at.popleft()
        if len(self.answered_at) >= LIMIT:
            return False
        self.answered_at.append(now)
        return True


def update_id(update: object) -> int | None:
    """Of an update of the service; None where it has none."""
    number = update.get("update_id") if isinstance(update, Mapping) else None
    return number if _is_id(number) and number >= 0 else None


def unreadable(update: object) -> bool:
    """Whether it has nothing but its number (keeper.chat.bot_api)."""
    return isinstance(update, Mapping) and update.keys() == {"update_id"}


def message_of(update: object) -> Message | None:
    """The new text that a person wrote. None for all else: edits, channels, bots, pictures, and what was forwarded."""
    message = update.get("message") if isinstance(update, Mapping) else None
    if not isinstance(message, Mapping):
        return None
    sender, chat = message.get("from"), message.get("chat")
    text, at = message.get("text"), message.get("date")
    if not isinstance(sender, Mapping) or not isinstance(chat, Mapping) or not isinstance(text, str):
        return None
    if not _is_id(sender.get("id")) or not _is_id(at) or sender.get("is_bot") is not False:
        return None
    if any(name in message for name in ("forward_origin", "forward_date", "sender_chat", "via_bot")):
        return None
    private = chat.get("type") == "private" and chat.get("id") == sender["id"]
    return Message(sender["id"], private, at, text=text)


def command_of(message: Message) -> Command:
    first, *rest = message.text.split() or [""]
    name = _bare(first.partition("@")[0]).lower()
    argument = printable(" ".join(rest))[:MAX_ARGUMENT_CHARS]
    return Command(message.sender, printable(name)[:MAX_ARGUMENT_CHARS], argument)


def _bare(word: str) -> str:
    """Without what is neither letter nor digit at its ends: who writes ``Pause!`` means it."""
    inside = [index for index, character in enumerate(word) if character.isalnum()]
    return word[inside[0] : inside[-1] + 1] if inside else ""


def judged(message: Message, senders: frozenset[int], now: float) -> Permission:
    """``now`` is in Unix seconds. The pace is judged apart."""
    if message.sender not in senders or not message.private:
        return Permission.STRANGER
    return Permission.ALLOWED if abs(now - message.at) <= MAX_AGE_S else Permission.LATE


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_ID

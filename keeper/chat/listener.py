"""Reads the chat on a thread of its own. A chat that hangs or is lost delays no cycle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from keeper.chat.answers import ChatAnswers
from keeper.chat.bot_api import BotApi
from keeper.chat.messages import (
    MAX_AGE_S,
    Command,
    Message,
    Pace,
    Permission,
    command_of,
    judged,
    message_of,
    unreadable,
    update_id,
)
from keeper.domain.errors import ChatUnavailable, KeeperError
from keeper.monitoring.daemon_state import Chat, ChatCounts
from keeper.runtime.logs import logger
from keeper.settings.endpoints import chat_endpoints
from keeper.settings.schema import Settings

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
REFUSED_WAIT_S = 300.0
REFUSALS = (401, 403, 404)
STRANGERS_EVERY_S = 60.0
JOIN_S = 0.5
PAUSE = "pause"
LATE = f"Your message is more than {MAX_AGE_S} s old or from the future by my clock, so it did nothing. Send it again."


class Bot(Protocol):
    """Where messages come from and answers go (keeper.chat.bot_api)."""

    def updates(self, offset: int) -> list[object]: ...

    def send(self, chat: int, text: str) -> None: ...


class ChatListener:
    """``answer`` gives the text for a command of somebody who may ask. ``now`` and ``monotonic`` are in seconds."""

    def __init__(
        self,
        bot: Bot,
        senders: frozenset[int],
        answer: Callable[[Command], str],
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = ChatCounts()
        self._bot = bot
        self._senders = senders
        self._answer = answer
        self._now = now
        self._monotonic = monotonic
        self._pace = Pace()
        self._offset = 0
        self._wait_s = FIRST_WAIT_S
        self._heard_at = now()
        self._trouble = ""
        self._stranger_at = float("-inf")
        self._log = logger()

    @property
    def state(self) -> Chat:
        return Chat(self.counts, self._heard_at, trouble=self._trouble)

    def once(self) -> float:
        """Waits for messages and answers them. Returns the seconds to wait before the next time."""
        try:
            updates = self._new_updates()
        except ChatUnavailable as error:
            return self._missed(error)
        if self._trouble:
            self._log.info("chat_is_back")
        at = self._heard_at = self._now()
        self._trouble, self._wait_s = "", FIRST_WAIT_S
        self._count_unreadable(sum(map(unreadable, updates)))
        # All are judged at once: one answer may take long, and the others are no older for that.
        judged_now = [
            (judged(message, self._senders, at), message, command_of(message))
            for message in filter(None, map(message_of, updates))
        ]
        for permission, message, command in sorted(judged_now, key=lambda it: not _is_urgent(it[0], it[2])):
            self._take(permission, message, command)
        return 0.0

    # ------------------------------------------------------------------ inside

    def _new_updates(self) -> list[object]:
        """Raises ChatUnavailable, also where none of them has a number that was asked for: they would come again."""
        numbered = {update_id(update): update for update in self._bot.updates(self._offset)}
        fresh = {
            number: update
            for number, update in numbered.items()
            if number is not None and number >= self._offset
        }
        if numbered and not fresh:
            raise ChatUnavailable(
                "getUpdates: no update has a new number", remedy="The chat tries again later."
            )
        # An empty answer confirms all before it. After a week of silence the service may number from a lower number.
        self._offset = max(fresh, default=-1) + 1
        return list(fresh.values())

    def _missed(self, error: ChatUnavailable) -> float:
        """It is logged when it begins. The wait grows, unless the service says how long it is."""
        self.counts = replace(self.counts, failures=self.counts.failures + 1)
        if not self._trouble:
            self._log.warning("chat_lost", reason=error.message, remedy=error.remedy)
        self._trouble = f"{error.message}. {error.remedy}"
        if error.wait_s > 0:
            return error.wait_s
        if error.status in REFUSALS:
            return REFUSED_WAIT_S
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, LONGEST_WAIT_S)
        return wait_s

    def _take(self, permission: Permission, message: Message, command: Command) -> None:
        if permission is Permission.STRANGER:
            self._count_stranger(message)
            return
        if not self._pace.allows(self._monotonic()) and not _is_urgent(permission, command):
            self.counts = replace(self.counts, limited=self.counts.limited + 1)
            return
        if permission is Permission.LATE:
            self.counts = replace(self.counts, late=self.counts.late + 1)
            self._send(message.sender, LATE)
            return
        self._log.warning("chat_command", sender=message.sender, command=command.name)
        self._send(message.sender, self._answered(command))
        self.counts = replace(self.counts, answered=self.counts.answered + 1)

    def _count_unreadable(self, number: int) -> None:
        if number:
            self.counts = replace(self.counts, unreadable=self.counts.unreadable + number)
            self._log.warning("chat_message_unreadable")

    def _count_stranger(self, message: Message) -> None:
        """Nobody answers, so that a stranger learns nothing. The log has one of them a minute at most."""
        self.counts = replace(self.counts, strangers=self.counts.strangers + 1)
        if self._monotonic() - self._stranger_at >= STRANGERS_EVERY_S:
            self._stranger_at = self._monotonic()
            self._log.warning("chat_stranger", sender=message.sender, private=message.private)

    def _answered(self, command: Command) -> str:
        try:
            return self._answer(command)
        except KeeperError as error:
            return f"{error.name}: {error.message}\n{error.remedy}"
        except Exception as error:  # noqa: BLE001 -- the thread must live, and the person must know
            self._log.exception("chat_answer_failed", command=command.name)
            return f"{command.name} failed ({type(error).__name__}). The keeper's log says why."

    def _send(self, chat: int, text: str) -> None:
        """Once. What was asked for is done, whether its answer arrives or not."""
        try:
            self._bot.send(chat, text)
        except ChatUnavailable as error:
            self.counts = replace(self.counts, failures=self.counts.failures + 1)
            self._log.warning("chat_not_answered", reason=error.message, remedy=error.remedy)


def _is_urgent(permission: Permission, command: Command) -> bool:
    """A pause is carried out before all other messages that came with it, and is never too many."""
    return permission is Permission.ALLOWED and command.name == PAUSE


@contextmanager
def chatting(settings: Settings) -> Iterator[Callable[[], Chat]]:
    """Listens until the block is left, where the settings name a bot. Yields what says how the chat is. Raises
    InvalidSetting."""
    where = chat_endpoints(settings)
    if where is None:
        yield Chat
        return
    bot = BotApi(where.url, where.token)
    listener, closed = ChatListener(bot, where.senders, ChatAnswers(settings)), threading.Event()

    def run() -> None:
        while not closed.wait(_once(listener)):
            pass
        bot.close()

    thread = threading.Thread(target=run, name="chat", daemon=True)
    thread.start()
    try:
        yield lambda: listener.state
    finally:
        closed.set()
        thread.join(JOIN_S)  # a request that waits for messages ends with the process


def _once(listener: ChatListener) -> float:
    try:
        return listener.once()
    except Exception as error:  # noqa: BLE001 -- the thread must live; the text may hold the token
        logger().error("chat_failed", error=type(error).__name__)
        return LONGEST_WAIT_S

"""Notices a chat that hears nobody, so that nobody counts on a pause there."""

from __future__ import annotations

from collections.abc import Callable

from keeper.monitoring.daemon_state import Chat
from keeper.monitoring.events import ChatBack, ChatLost, Event, Waiting

LOST_AFTER_S = 300.0
"""The longest wait between two requests after a refused token is as long."""


class ChatWatch:
    """An observer. Asks ``look`` at each event, and tells by ``tell`` when the chat is lost and when it is back."""

    def __init__(self, look: Callable[[], Chat], tell: Callable[[Event], None]) -> None:
        self._look = look
        self._tell = tell
        self._lost = False

    def __call__(self, event: Event) -> None:
        """Between two cycles it tells changes only. A reminder comes with a cycle."""
        chat = self._look()
        lost = chat.heard_at is not None and event.at - chat.heard_at > LOST_AFTER_S
        if lost and not (self._lost and isinstance(event, Waiting)):
            self._tell(ChatLost(event.at, chat.trouble))
        elif self._lost and not lost:
            self._tell(ChatBack(event.at))
        self._lost = lost

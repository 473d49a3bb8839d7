"""Who watches the daemon: by the settings metrics, alerts and the dead man's switch; and systemd, if it listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from threading import Event as Signal
from typing import TYPE_CHECKING

from keeper.app.daemon import Observer
from keeper.domain.head_socket import HeadSocketState
from keeper.domain.leadership import LeaseReading
from keeper.monitoring.channels import AppriseChannels, Channels, ping
from keeper.monitoring.chat_watch import ChatWatch
from keeper.monitoring.daemon_state import Chat, DaemonState, Deliveries, after
from keeper.monitoring.events import Event
from keeper.monitoring.notifier import AlertSender, DeadManSwitch
from keeper.monitoring.service_manager import ServiceManager
from keeper.runtime.service_socket import service_socket
from keeper.settings.endpoints import MonitoringEndpoints, monitoring_endpoints
from keeper.settings.schema import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LAST_WORDS_S = 10.0
"""How long the end of the daemon waits for its last alert."""


class StateKeeper:
    """The daemon's state for the metrics: an event costs a few small copies, a scrape reads the newest."""

    def __init__(self) -> None:
        self._state = DaemonState()

    def __call__(self, event: Event) -> None:
        self._state = after(self._state, event)

    @property
    def state(self) -> DaemonState:
        return self._state


class Monitors:
    """Those that watch the daemon; nobody where nothing is set and no systemd listens. What they count and have told
    outlives new settings."""

    def __init__(self, settings: Settings) -> None:
        """Raises InvalidSetting."""
        where = self._where = monitoring_endpoints(settings)
        systemd = service_socket()
        self._systemd = ServiceManager(systemd.tell) if systemd is not None else None
        self._kept = StateKeeper() if where.metrics_port is not None else None
        self._chat: Callable[[], Chat] = Chat
        self._chat_watch = ChatWatch(lambda: self._chat(), self._alert)
        self._lease: Callable[[], LeaseReading | None] = lambda: None
        self._head_sockets: Callable[[], tuple[HeadSocketState, ...]] = tuple
        self._pages = CurrentApplication()
        self._listener = ExitStack()
        channels = _channels(settings, where.alert_urls) if where.alert_urls else None
        if where.metrics_port is not None:
            from keeper.web.listener import serving

            self._pages.inner = self._application(settings, where)
            self._listener.enter_context(serving(self._pages, where.metrics_address, where.metrics_port))
        self._sender = _alert_sender(channels, where) if channels is not None else None
        self._switch = _dead_man_switch(where.dead_man_url) if where.dead_man_url is not None else None

    @property
    def observers(self) -> tuple[Observer, ...]:
        chat = self._chat_watch if self._sender is not None else None
        every = (self._systemd, self._sender, chat, self._switch, self._kept)
        return tuple(observer for observer in every if observer is not None)

    def follow_chat(self, chat: Callable[[], Chat]) -> None:
        """The metrics have what ``chat`` gives at each scrape, and an alert tells when it hears nobody."""
        self._chat = chat

    def read_lease(self, lease: Callable[[], LeaseReading]) -> None:
        """The metrics have what ``lease`` gives at each scrape."""
        self._lease = lease

    def read_head_sockets(self, states: Callable[[], tuple[HeadSocketState, ...]]) -> None:
        """The metrics have what ``states`` gives at each scrape."""
        self._head_sockets = states

    def prepare(self, settings: Settings) -> Callable[[], tuple[Observer, ...]]:
        """Makes what these settings need besides what is there, its threads too. Returns what puts it in force, which
        cannot fail, and gives those that hear of the reload and of nothing after it. The listener keeps its address and
        port. Raises InvalidSetting."""
        where, before = monitoring_endpoints(settings), self._where
        moved = where.alert_urls != before.alert_urls
        gone = tuple(url for url in before.alert_urls if url not in where.alert_urls)
        channels = _channels(settings, where.alert_urls) if where.alert_urls and moved else None
        leaving = _channels(settings, gone) if where.alert_urls and gone else None
        pages = self._application(settings, where) if self._kept is not None else None
        sender = self._sender if where.alert_urls else None
        switch = self._switch if where.dead_man_url is not None else None
        with ExitStack() as undo:
            if sender is None and channels is not None:
                sender = _alert_sender(channels, where)
                undo.callback(sender.close, 0.0)
            if switch is None and where.dead_man_url is not None:
                switch = _dead_man_switch(where.dead_man_url)
            undo.pop_all()

        def apply() -> tuple[Observer, ...]:
            pairs = ((self._sender, sender), (self._switch, switch))
            ending = tuple(
                partial(_hears_it_and_ends, former)
                for former, successor in pairs
                if former is not None and successor is None
            )
            self._where, self._sender, self._switch = where, sender, switch
            if sender is not None:
                sender.follow(channels, summary_hour=where.summary_hour, leaving=leaving)
            if switch is not None and where.dead_man_url is not None:
                switch.follow(partial(ping, where.dead_man_url))
            if pages is not None:
                self._pages.inner = pages
            return ending

        return apply

    def close(self) -> None:
        """Metrics end at once, alerts when the last is sent or after ``LAST_WORDS_S``."""
        self._listener.close()
        for observer in (self._switch, self._sender):
            if observer is not None:
                observer.close(LAST_WORDS_S)

    def _alert(self, event: Event) -> None:
        if self._sender is not None:
            self._sender(event)

    def _state(self) -> DaemonState:
        kept = self._kept.state if self._kept is not None else DaemonState()
        return replace(
            kept,
            deliveries=deliveries(self._sender, self._switch),
            chat=self._chat(),
            lease=self._lease(),
            head_sockets=self._head_sockets(),
        )

    def _application(self, settings: Settings, where: MonitoringEndpoints) -> ASGIApp:
        """Metrics, health pages and, where the settings ask for it, the status page."""
        from keeper.app.status_page import PageJournal
        from keeper.monitoring.exporter import Pages
        from keeper.web.application import application
        from keeper.web.status_page import StatusPage

        page = StatusPage(PageJournal(settings), self._state, time.time) if where.status_page else None
        return application(Pages(self._state, time.time), page, (where.metrics_address, *where.metrics_hosts))


class CurrentApplication:
    """Answers as the application in force does, on a socket that stays open."""

    inner: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.inner(scope, receive, send)


@contextmanager
def monitors(settings: Settings) -> Iterator[Monitors]:
    """They end with the block. Raises InvalidSetting."""
    watchers = Monitors(settings)
    try:
        yield watchers
    finally:
        watchers.close()


def _channels(settings: Settings, urls: tuple[str, ...]) -> Channels:
    return AppriseChannels(urls, settings.vault or "")


def _alert_sender(channels: Channels, where: MonitoringEndpoints) -> AlertSender:
    return AlertSender(channels, summary_hour=where.summary_hour, wait=Signal().wait)


def _dead_man_switch(url: str) -> DeadManSwitch:
    return DeadManSwitch(partial(ping, url))


def _hears_it_and_ends(observer: AlertSender | DeadManSwitch, event: Event) -> None:
    """What waits is sent by the observer's own thread, and then that ends."""
    observer(event)
    observer.close(0.0)


def deliveries(sender: AlertSender | None, switch: DeadManSwitch | None) -> Deliveries:
    """What became of alerts and pings so far."""
    alerts = sender.deliveries if sender is not None else Deliveries()
    pings = switch.deliveries if switch is not None else Deliveries()
    return replace(
        alerts,
        dropped=sender.dropped if sender is not None else 0,
        pings=pings.pings,
        failed_pings=pings.failed_pings,
    )

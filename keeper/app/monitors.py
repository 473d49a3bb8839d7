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
from keeper.monitoring.channels import AppriseChannels, Channels, ping
from keeper.monitoring.daemon_state import ChatCounts, DaemonState, Deliveries, after
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
        self._sender: AlertSender | None = None
        self._switch: DeadManSwitch | None = None
        self._kept = StateKeeper() if where.metrics_port is not None else None
        self._chat_counts: Callable[[], ChatCounts] = ChatCounts
        self._pages = CurrentApplication()
        self._listener = ExitStack()
        channels = _channels(settings, where) if where.alert_urls else None
        if where.metrics_port is not None:
            from keeper.web.listener import serving

            self._pages.inner = self._application(settings, where)
            self._listener.enter_context(serving(self._pages, where.metrics_address, where.metrics_port))
        self._follow_alerts(where, channels)
        self._follow_dead_man(where)

    @property
    def observers(self) -> tuple[Observer, ...]:
        every = (self._systemd, self._sender, self._switch, self._kept)
        return tuple(observer for observer in every if observer is not None)

    def count_chat(self, counts: Callable[[], ChatCounts]) -> None:
        """The metrics have what ``counts`` gives at each scrape."""
        self._chat_counts = counts

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Makes what these settings need besides what is there. Returns what puts it in force, which cannot fail. The
        listener keeps its address and port. Raises InvalidSetting."""
        where, before = monitoring_endpoints(settings), self._where
        channels = (
            _channels(settings, where)
            if where.alert_urls and (self._sender is None or where.alert_urls != before.alert_urls)
            else None
        )
        pages = self._application(settings, where) if self._kept is not None else None

        def apply() -> None:
            self._where = where
            self._follow_alerts(where, channels)
            self._follow_dead_man(where)
            if pages is not None:
                self._pages.inner = pages

        return apply

    def close(self) -> None:
        """Metrics end at once, alerts when the last is sent or after ``LAST_WORDS_S``."""
        self._listener.close()
        for observer in (self._switch, self._sender):
            if observer is not None:
                observer.close(LAST_WORDS_S)

    def _follow_alerts(self, where: MonitoringEndpoints, channels: Channels | None) -> None:
        if self._sender is not None and not where.alert_urls:
            self._sender.close(0.0)  # what waits is sent by its own thread
            self._sender = None
        elif self._sender is not None:
            self._sender.follow(channels, summary_hour=where.summary_hour)
        elif channels is not None:
            self._sender = AlertSender(channels, summary_hour=where.summary_hour, wait=Signal().wait)

    def _follow_dead_man(self, where: MonitoringEndpoints) -> None:
        if where.dead_man_url is None:
            if self._switch is not None:
                self._switch.close(0.0)
            self._switch = None
        elif self._switch is not None:
            self._switch.follow(partial(ping, where.dead_man_url))
        else:
            self._switch = DeadManSwitch(partial(ping, where.dead_man_url))

    def _state(self) -> DaemonState:
        kept = self._kept.state if self._kept is not None else DaemonState()
        return replace(kept, deliveries=deliveries(self._sender, self._switch), chat=self._chat_counts())

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


def _channels(settings: Settings, where: MonitoringEndpoints) -> Channels:
    return AppriseChannels(where.alert_urls, settings.vault or "")


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

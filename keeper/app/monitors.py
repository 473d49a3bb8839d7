"""Who watches the daemon: by the settings metrics, alerts and the dead man's switch; and systemd, if it listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from threading import Event as Signal

from keeper.app.daemon import Observer
from keeper.monitoring.channels import AppriseChannels, ping
from keeper.monitoring.daemon_state import DaemonState, Deliveries, after
from keeper.monitoring.events import Event
from keeper.monitoring.notifier import AlertSender, DeadManSwitch
from keeper.monitoring.service_manager import ServiceManager
from keeper.runtime.service_socket import service_socket
from keeper.settings.endpoints import MonitoringEndpoints, monitoring_endpoints
from keeper.settings.schema import Settings

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


@contextmanager
def monitors(settings: Settings) -> Iterator[Sequence[Observer]]:
    """The observers of the daemon; none where nothing is set and no systemd listens. Raises InvalidSetting.

    They end with the block: metrics at once, alerts when the last is sent or after ``LAST_WORDS_S``.
    """
    where = monitoring_endpoints(settings)
    observers: list[Observer] = []
    systemd = service_socket()
    if systemd is not None:
        observers.append(ServiceManager(systemd.tell))
    with ExitStack() as stack:
        sender, switch = None, None
        if where.alert_urls:
            channels = AppriseChannels(where.alert_urls, settings.vault or "")
            sender = AlertSender(channels, summary_hour=where.summary_hour, wait=Signal().wait)
            stack.callback(sender.close, LAST_WORDS_S)
            observers.append(sender)
        if where.dead_man_url is not None:
            switch = DeadManSwitch(partial(ping, where.dead_man_url))
            stack.callback(switch.close, LAST_WORDS_S)
            observers.append(switch)
        if where.metrics_port is not None:
            kept = StateKeeper()
            observers.append(kept)

            def state() -> DaemonState:
                return replace(kept.state, deliveries=deliveries(sender, switch))

            stack.enter_context(_served(settings, where, where.metrics_port, state=state))
        yield observers


def _served(
    settings: Settings, where: MonitoringEndpoints, port: int, *, state: Callable[[], DaemonState]
) -> AbstractContextManager[int]:
    """The listener with metrics, health pages and, where the settings ask for it, the status page."""
    from keeper.app.status_page import PageJournal
    from keeper.monitoring.exporter import Pages
    from keeper.web.application import application
    from keeper.web.listener import serving
    from keeper.web.status_page import StatusPage

    page = StatusPage(PageJournal(settings), state, time.time) if where.status_page else None
    names = (where.metrics_address, *where.metrics_hosts)
    return serving(application(Pages(state, time.time), page, names), where.metrics_address, port)


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

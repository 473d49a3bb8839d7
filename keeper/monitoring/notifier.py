"""Tells people and the dead man's switch what the daemon reports. Two threads, so that neither waits for the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from keeper.domain.record import CycleOutcome
from keeper.monitoring.alert_kinds import Alert
from keeper.monitoring.alerts import AlertMemory, alerts_after
from keeper.monitoring.channels import Channels
from keeper.monitoring.conditions import events
from keeper.monitoring.daemon_state import Deliveries
from keeper.monitoring.events import CycleEnded, Event, Reloaded, StandsBy, Waiting
from keeper.monitoring.worker import Worker
from keeper.runtime.logs import logger

QUEUED_EVENTS = 200
QUEUED_PINGS = 1
ATTEMPTS = 3
RETRY_S = 5.0

Wait = Callable[[float], object]


class AlertSender:
    """Sends the alerts of each event, each up to ``ATTEMPTS`` times, ``RETRY_S`` apart."""

    def __init__(self, channels: Channels, *, summary_hour: int, wait: Wait) -> None:
        self.deliveries = Deliveries()
        self._channels = channels
        self._leaving: deque[Channels] = deque()
        self._summary_hour = summary_hour
        self._wait = wait
        self._memory = AlertMemory()
        self._calm = False  # the last event was a standby without trouble
        self._worker: Worker[Event] = Worker("alerts", self._tell, capacity=QUEUED_EVENTS)

    def __call__(self, event: Event) -> None:
        """Never waits. What does not fit into the queue is dropped and counted. Signs of life have nothing to tell,
        and would fill the queue of a channel that hangs."""
        calm = isinstance(event, StandsBy) and not event.trouble
        if not isinstance(event, Waiting) and not (calm and self._calm):
            self._worker.put(event)
        self._calm = calm

    @property
    def dropped(self) -> int:
        return self._worker.dropped

    def follow(
        self, channels: Channels | None, *, summary_hour: int, leaving: Channels | None = None
    ) -> None:
        """From the next event on; None keeps the channels. What was told before stays told. ``leaving`` are those that
        are used no more. They hear of the reload, so that nobody moves the alerts away in silence."""
        if leaving is not None:
            self._leaving.append(leaving)
        self._channels = channels if channels is not None else self._channels
        self._summary_hour = summary_hour

    def close(self, wait_s: float) -> None:
        self._worker.close(wait_s)

    def _tell(self, event: Event) -> None:
        self._memory, alerts = alerts_after(self._memory, event, summary_hour=self._summary_hour)
        for alert in alerts:
            self._send(alert, self._channels)
        while isinstance(event, Reloaded) and self._leaving:
            channels = self._leaving.popleft()
            for alert in events(event):
                self._send(alert, channels)

    def _send(self, alert: Alert, channels: Channels) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                self._wait(RETRY_S)
            if channels.send(alert):
                self.deliveries = replace(self.deliveries, sent=self.deliveries.sent + 1)
                return
        self.deliveries = replace(self.deliveries, failed=self.deliveries.failed + 1)
        logger().error("alert_not_sent", alert=alert.key, title=alert.title)


class DeadManSwitch:
    """Pings after each cycle that read the vault and kept its record, and while a standby could take over. Silence is
    the alarm."""

    def __init__(self, ping: Callable[[], bool]) -> None:
        self.deliveries = Deliveries()
        self._ping = ping
        self._worker: Worker[None] = Worker("dead man's switch", self._send, capacity=QUEUED_PINGS)

    def __call__(self, event: Event) -> None:
        good = isinstance(event, CycleEnded) and event.record.outcome is not CycleOutcome.FAILED
        if good or (isinstance(event, StandsBy) and not event.trouble):
            self._worker.put(None)

    def follow(self, ping: Callable[[], bool]) -> None:
        """From the next ping on."""
        self._ping = ping

    def close(self, wait_s: float) -> None:
        self._worker.close(wait_s)

    def _send(self, _: None) -> None:
        if self._ping():
            self.deliveries = replace(self.deliveries, pings=self.deliveries.pings + 1)
        else:
            self.deliveries = replace(self.deliveries, failed_pings=self.deliveries.failed_pings + 1)
            logger().warning("dead_man_ping_failed")

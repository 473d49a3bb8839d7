"""The edge to the outside: apprise for alerts, one GET for the dead man's switch. Their addresses are secrets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import httpx

from keeper.domain.errors import InvalidSetting
from keeper.monitoring.alert_kinds import Alert, Severity

PING_TIMEOUT_S = 10.0
TITLE = "keeper"


class Channels(Protocol):
    """Where alerts go."""

    def send(self, alert: Alert) -> bool:
        """Whether every channel took it."""
        ...


class AppriseChannels:
    """Every address is asked for every alert. Raises InvalidSetting, which names no address."""

    def __init__(self, urls: Sequence[str], vault: str) -> None:
        # Its own log may name an address.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        # Only a keeper with a channel pays for apprise.
        from apprise import Apprise, NotifyType

        from keeper.monitoring.plugins import load_for

        load_for(urls)

        self._types = {
            Severity.INFO: NotifyType.INFO,
            Severity.WARNING: NotifyType.WARNING,
            Severity.CRITICAL: NotifyType.FAILURE,
        }
        self._over = NotifyType.SUCCESS
        self._vault = vault
        self._apprise = Apprise()
        for place, url in enumerate(urls, start=1):
            if not self._apprise.add(url):
                raise InvalidSetting(
                    f"KEEPER_ALERT_URLS: address {place} of {len(urls)} is not one that apprise understands",
                    remedy="https://appriseit.com lists the forms, such as tgram://TOKEN/CHAT or mailto://…",
                )

    def send(self, alert: Alert) -> bool:
        severity = self._over if alert.over else self._types[alert.kind.severity]
        title = f"{TITLE} {alert.kind.severity.value} {alert.kind.name}: {alert.title}"
        body = f"{alert.body}\nvault {self._vault}"
        return bool(self._apprise.notify(body=body, title=title, notify_type=severity))


def ping(url: str) -> bool:
    """Whether the dead man's switch answered with a status below 400. Never raises for what the network does."""
    try:
        return httpx.get(url, timeout=PING_TIMEOUT_S).status_code < httpx.codes.BAD_REQUEST
    except httpx.HTTPError:
        return False

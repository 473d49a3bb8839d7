"""Which plugins of apprise are loaded. All of them take 20 MB that a daemon would hold for as long as it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from apprise import NotificationManager

PLUGINS = {
    "custom_form": ("form", "forms"),
    "custom_json": ("json", "jsons"),
    "custom_xml": ("xml", "xmls"),
    "discord": ("discord",),
    "email": ("mailto", "mailtos"),
    "google_chat": ("gchat",),
    "gotify": ("gotify", "gotifys"),
    "matrix": ("matrix", "matrixs"),
    "mattermost": ("mmost", "mmosts"),
    "ntfy": ("ntfy", "ntfys"),
    "opsgenie": ("opsgenie",),
    "pagerduty": ("pagerduty",),
    "pushover": ("pover",),
    "rocketchat": ("rocket", "rockets"),
    "signal_api": ("signal", "signals"),
    "slack": ("slack",),
    "telegram": ("tgram",),
    "twilio": ("twilio",),
    "webexteams": ("webex", "wxteams"),
    "workflows": ("workflow", "workflows"),
    "zulip": ("zulip",),
}
"""Modules of apprise by the schemes that they answer to: the channels that an operator is likely to have."""
_MODULE = {scheme: module for module, schemes in PLUGINS.items() for scheme in schemes}
_SCHEME = re.compile(r"([a-z0-9+.-]+)://", re.IGNORECASE)


def load_for(urls: Sequence[str]) -> None:
    """Loads the plugins of these addresses; every plugin where an address has a scheme that the table does not know."""
    schemes = {scheme.lower() for url in urls for scheme in _SCHEME.findall(url)}
    manager: Any = NotificationManager()  # type: ignore[no-untyped-call]  # apprise has no types there
    if not schemes or not schemes <= _MODULE.keys():
        manager.load_modules()
        return
    # A manager that has loaded nothing would load every plugin to say whether it knows a scheme.
    missing = {scheme for scheme in schemes if not manager or scheme not in manager}
    if missing:
        _load(manager, {_MODULE[scheme] for scheme in missing})


def _load(manager: Any, modules: Iterable[str]) -> None:
    """apprise loads those of its modules that a folder has files for. The files may be empty."""
    try:
        with TemporaryDirectory() as folder:
            for module in modules:
                Path(folder, f"{module}.py").touch()
            manager.load_modules(path=folder)
    except OSError:
        # No folder for temporary files.
        manager.load_modules()

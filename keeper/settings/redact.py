"""Hides the secret parts of a setting: a node's address may carry an API key, a database's a password."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

HIDDEN = "********"
SECRET_FIELDS = frozenset({"private_key", "alert_urls", "dead_man_url", "telegram_token"})
URL_SUFFIX = "_url"
"""The end of the name of every setting that is an address."""
LONGEST_SHOWN = 15
"""An API key is longer than this."""


def redacted(field: str, value: Any) -> str:
    """The value as it may be printed, logged or put into an error."""
    if field in SECRET_FIELDS or isinstance(value, SecretStr):
        return HIDDEN
    if field.endswith(URL_SUFFIX):
        return ",".join(redacted_url(url) for url in str(value).split(","))
    return str(value)


def redacted_url(url: str) -> str:
    """Without user, password, query and long path segments. A local node or a SQLite file stays readable."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return _redacted_text(url)
    if parts.scheme.startswith("sqlite"):
        return url
    if not parts.scheme or not host or "@" in parts.path:
        return _redacted_text(url)
    account = f"{HIDDEN}@" if parts.username or parts.password else ""
    address = f"[{host}]" if ":" in host else host
    path = "/".join(HIDDEN if len(segment) > LONGEST_SHOWN else segment for segment in parts.path.split("/"))
    query = f"?{HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{account}{address}{f':{port}' if port else ''}{path}{query}"


def _redacted_text(text: str) -> str:
    """What is not a URL, readable enough to see the mistake: 127.0.0.1:8545, http:/node. A single word may be a
    password, and so may the word after a colon unless it is as short as a port."""
    if not re.search(r"[./:]", text):
        return HIDDEN
    text = re.sub(r"^([\w+.-]*://)?.*@", rf"\g<1>{HIDDEN}@", text)
    text, question_mark, _ = text.partition("?")
    text = re.sub(r":[^/:\[\]@]{6,}", f":{HIDDEN}", text)
    text = re.sub(rf"[^/:@]{{{LONGEST_SHOWN + 1},}}", HIDDEN, text)
    return text + (f"?{HIDDEN}" if question_mark else "")

"""What of a setting may be shown: a node's address may carry an API key, a database's a password."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

HIDDEN = "********"
SECRET_FIELDS = frozenset({"private_key"})
URL_FIELDS = frozenset(
    {
        "rpc_url",
        "journal_url",
        "deribit_url",
        "signer_url",
        "private_rpc_url",
        "coinbase_url",
        "kraken_url",
        "binance_url",
    }
)


def redacted(field: str, value: Any) -> str:
    """The value as it may be printed, logged or put into an error."""
    if field in SECRET_FIELDS or isinstance(value, SecretStr):
        return HIDDEN
    if field in URL_FIELDS:
        return ",".join(redacted_url(url) for url in str(value).split(","))
    return str(value)


def redacted_url(url: str) -> str:
    """Without user, password, query and long path segments; a local node or a SQLite file stays readable."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return HIDDEN
    if parts.scheme.startswith("sqlite"):
        return url
    if not parts.scheme or not host:
        return HIDDEN
    account = f"{HIDDEN}@" if parts.username or parts.password else ""
    address = f"[{host}]" if ":" in host else host
    path = "/".join(HIDDEN if len(segment) >= 16 else segment for segment in parts.path.split("/"))
    query = f"?{HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{account}{address}{f':{port}' if port else ''}{path}{query}"

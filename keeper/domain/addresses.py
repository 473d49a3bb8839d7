"""Addresses of services, fit to be shown."""

from __future__ import annotations

from urllib.parse import urlsplit


def masked(url: str) -> str:
    """Scheme, host and port; user, path and query, where providers put their keys, become an ellipsis."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if not parts.scheme or not host:
        return "…"
    hidden = "/…" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{host}{hidden}"

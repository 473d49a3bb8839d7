"""URLs in a form that is safe to show and to log."""

from __future__ import annotations

from urllib.parse import urlsplit


def masked(url: str) -> str:
    """Scheme, host and port. User, path and query become an ellipsis, because providers put API keys there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    host = parts.netloc.rpartition("@")[2]
    if not parts.scheme or not host:
        return "…"
    hidden = "/…" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{host}{hidden}"

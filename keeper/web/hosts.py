"""Which names a request may ask for. A web page that has its own name resolved to this machine sends that name."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

LOCALHOST = "localhost"


def host_allowed(header: str, names: Collection[str]) -> bool:
    """Whether the Host header names this machine: by an IP address, as localhost, or by one of ``names``.

    An address needs no check: an attacker's page is reached by a name of the attacker's, and its requests carry that
    name wherever it resolves to.
    """
    host = _without_port(header.strip().lower())
    if not host:
        return False
    return host == LOCALHOST or host in {name.lower() for name in names} or _is_address(host)


def _without_port(header: str) -> str:
    if header.startswith("["):
        address, closed, port = header[1:].partition("]")
        return address if closed and (not port or port.startswith(":")) else ""
    host, _, _ = header.partition(":")
    return host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

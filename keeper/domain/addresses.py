"""Addresses: of contracts and accounts with their checksum, of nodes in a form that is safe to show and to log."""

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


def checksummed(value: object) -> str:
    """The address of a contract or an account with its checksum (EIP-55). Digits of one case carry none.

    Raises ValueError, whose text goes on after "is"."""
    from eth_utils.address import is_hex_address, to_checksum_address

    if not isinstance(value, str) or not value.startswith("0x") or not is_hex_address(value):
        raise ValueError("not an Ethereum address: 0x and 40 hexadecimal digits")
    right, digits = str(to_checksum_address(value)), value.removeprefix("0x")
    if digits not in (digits.lower(), digits.upper()) and value != right:
        raise ValueError("not an Ethereum address: its checksum (EIP-55) is wrong, so a digit is mistyped")
    return right

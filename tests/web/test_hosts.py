"""A page on the internet whose name resolves to this machine gets nothing."""

from __future__ import annotations

import pytest

from keeper.web.hosts import host_allowed

NAMES = ("127.0.0.1", "Keeper")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:9188", "localhost", "LOCALHOST:9188", "[::1]", "[::1]:9188"),
        *("keeper", "keeper:9188", "KEEPER:1", "10.0.0.7:9188", "0.0.0.0"),
    ],
)
def test_addresses_localhost_and_configured_names_are_this_machine(host: str) -> None:
    assert host_allowed(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:9188",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "keeper.evil",
        ),
        *("", ":9188", "[::1", "[::1]evil.example", "[evil.example]", "127.0.0.1@evil.example", "a keeper"),
        *("127.1.evil", "0x7f000001", "2130706433", "keeper,evil.example"),
    ],
)
def test_every_other_name_is_refused(host: str) -> None:
    assert not host_allowed(host, NAMES)


def test_an_empty_name_allows_no_empty_host() -> None:
    assert not host_allowed("", ("",))
    assert not host_allowed(":9188", ("",))

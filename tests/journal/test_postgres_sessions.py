"""How each session of a journal in PostgreSQL is made; no server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.engine import make_url

from keeper.journal import postgres_sessions


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the driver would connect with."""
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(
        postgres_sessions, "create_engine", lambda url, **how: given.append(how["connect_args"])
    )
    return given


def test_both_ends_notice_a_dead_peer_and_the_options_of_the_address_come_first(
    made: list[dict[str, Any]],
) -> None:
    postgres_sessions.sessions(make_url("postgresql://keeper@db/keeper?options=-csearch_path%3Delsewhere"))
    (connecting,) = made
    assert connecting["options"].split(" ", 1)[0] == "-csearch_path=elsewhere"
    for name in ("tcp_keepalives_idle=10", "tcp_keepalives_count=3", "tcp_user_timeout=25000"):
        assert f"-c {name}" in connecting["options"]
    assert (connecting["keepalives_idle"], connecting["tcp_user_timeout"]) == (10, 25_000)
    assert "application_name" not in connecting


def test_the_server_shows_the_name_of_a_session(made: list[dict[str, Any]]) -> None:
    postgres_sessions.sessions(make_url("postgresql://keeper@db/keeper"), "keeper a process 1")
    assert made[0]["application_name"] == "keeper a process 1"

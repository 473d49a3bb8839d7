"""The sessions of a journal in PostgreSQL: how each is made, and the locks for which they queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

CONNECT_TIMEOUT_S = 10
DEAD_PEER = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Of libpq; the first two in seconds, the last in milliseconds. A session ends half a minute after its server's machine
or network has gone, instead of hours."""
OF_A_SESSION = {
    "synchronous_commit": "on",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
"""Settings of the server for each session. After half a minute it lets go of the locks of a machine that is gone."""
STALLED_MS = 5_000
"""Who adds rows beside the writer, and freezes in the middle, keeps the writer waiting no longer than this."""
JOURNAL_LOCK = 0x6B65_6570_6572
"""Key of the advisory lock in a PostgreSQL database; "keeper" in ASCII."""


def sessions(url: URL, name: str = "", longest_query_s: float | None = None) -> Engine:
    """Makes every session of a journal in PostgreSQL. The URL's own options hold too, such as a search_path. The server
    shows ``name``, and ends a query that takes longer than ``longest_query_s``, with its waits for locks."""
    given = url.query.get("options", ())
    limit = {} if longest_query_s is None else {"statement_timeout": f"{round(1e3 * longest_query_s)}"}
    options = (
        *((given,) if isinstance(given, str) else given),
        *(f"-c {setting}={value}" for setting, value in (OF_A_SESSION | limit).items()),
    )
    named = {"application_name": name} if name else {}
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": " ".join(options),
            **DEAD_PEER,
            **named,
        },
    )


def queue(connection: Connection) -> None:
    """Lets writers run one after another, because each entry's hash needs the one before."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({JOURNAL_LOCK + 1})"))

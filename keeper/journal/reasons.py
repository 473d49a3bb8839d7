"""Why a database failed, for an operator; and whether that may pass."""

from __future__ import annotations

from sqlalchemy.exc import DatabaseError, SQLAlchemyError

BUSY_TIMEOUT_S = 10

_REASONS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": f"another process has kept it locked for {BUSY_TIMEOUT_S} s",
    "SQLITE_READONLY": "the file or its folder is read-only",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_IOERR": "the disk reports an input/output error",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is not a database",
    "53100": "the disk of the database server is full",
    "25006": "the database server is read-only",
    "57014": "the database server has ended a query that took too long, or that somebody cancelled",
    "57P05": "the database server has ended a session that was silent for too long",
    "25P03": "the database server has ended a transaction that was silent for too long",
    "57P0": "the database server is shutting down or restarting",
}
"""What an operator reads, by the beginning of SQLite's error name or PostgreSQL's SQLSTATE."""


def reason(error: SQLAlchemyError) -> str:
    """Why the database failed, for an operator, without statement and parameters. Quotes the database where the cause
    is not a known one."""
    original = error.orig if isinstance(error, DatabaseError) else None
    code = _code(error) if isinstance(error, DatabaseError) else ""
    for prefix, meaning in _REASONS.items():
        if code.startswith(prefix):
            return meaning
    lines = str(original or "").strip().splitlines()
    return (
        f'the database reports "{lines[0]}"'
        if lines
        else f"the database driver reports {type(error).__name__}"
    )


def may_pass(error: DatabaseError) -> bool:
    """Whether the database fails for a reason outside the journal's content: the disk, the lock, the connection."""
    code = _code(error)
    if getattr(error.orig, "sqlite_errorname", None) is not None:
        return code.startswith(
            ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM")
        )
    return error.connection_invalidated or not code or code.startswith(("08", "53", "57", "58"))


def _code(error: DatabaseError) -> str:
    """SQLite's error name or PostgreSQL's SQLSTATE; empty where the connection itself failed."""
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""

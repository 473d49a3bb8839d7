"""Fixtures for every folder."""

from __future__ import annotations

from tests.databases import journal_url, postgres_server, sqlite_url

__all__ = ["journal_url", "postgres_server", "sqlite_url"]

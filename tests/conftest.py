"""Fixtures for every folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases import journal_url, postgres_server, sqlite_url

__all__ = ["journal_url", "postgres_server", "sqlite_url"]


@pytest.fixture(autouse=True)
def keys_are_locked_per_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run side by side use one development key."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

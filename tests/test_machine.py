"""A run keeps its files in memory only where they fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.machine import BLAS_THREADS, ROOM, has_room


def test_a_folder_that_is_not_there_has_no_room(tmp_path: Path) -> None:
    assert not has_room(tmp_path / "nowhere")


@pytest.mark.parametrize(("free", "fits"), [(ROOM, True), (ROOM - 4096, False)])
def test_room_is_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, fits: bool) -> None:
    told = os.statvfs_result((4096, 4096, 0, 0, free // 4096, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda folder: told)
    assert has_room(tmp_path) is fits


def test_scripts_must_run_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = os.statvfs_result((4096, 4096, 0, 0, ROOM, 0, 0, 0, os.ST_NOEXEC, 255))
    monkeypatch.setattr(os, "statvfs", lambda folder: told)
    assert not has_room(tmp_path)


def test_each_worker_has_one_thread_of_linear_algebra() -> None:
    assert all(name in os.environ for name in BLAS_THREADS)

"""The program on the page for researchers runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_program_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "research.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.S)
    monkeypatch.setenv("KEEPER_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(ROOT)
    exec(compile(program, "research.md", "exec"), {})
    printed = capsys.readouterr().out
    for shown in (
        "name='shipped'",
        "name='slow'",
        "SharpeDifference(other='slow'",
        "equal weight, unlevered",
    ):
        assert shown in printed

"""``keeper mcp`` where the extra is not installed."""

from __future__ import annotations

import sys

import pytest

from keeper.cli.main import main


def test_without_its_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("mcp", "mcp_types")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "keeper.assistant.server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setenv("COLUMNS", "240")
    with pytest.raises(SystemExit) as caught:
        main(("mcp",))
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert "needs the package mcp" in shown
    assert "pip install -e '.[mcp]'" in shown

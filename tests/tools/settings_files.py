"""``make settings``: writes keeper.toml and the tables of docs/settings.md."""

from __future__ import annotations

from pathlib import Path

from keeper.settings.strategy_file import strategy_file
from tests.tools.settings_page import settings_page

ROOT = Path(__file__).parents[2]


def main() -> None:
    (ROOT / "keeper.toml").write_text(strategy_file(), encoding="utf-8")
    page = ROOT / "docs" / "settings.md"
    page.write_text(settings_page(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

"""keeper.toml and docs/settings.md repeat the declarations of keeper/settings: they are generated, not written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from keeper.settings.fields import setting_fields
from keeper.settings.schema import STRATEGY, Settings
from keeper.settings.strategy_file import WIDTH, strategy_file
from tests.tools.settings_page import allowed, settings_page

ROOT = Path(__file__).parents[2]
REMEDY = "run `make settings`"


def test_the_strategy_file_is_what_the_declarations_generate() -> None:
    assert (ROOT / "keeper.toml").read_text(encoding="utf-8") == strategy_file(), REMEDY


def test_the_settings_page_is_what_the_declarations_generate() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page(page), REMEDY


def test_the_strategy_file_states_every_default() -> None:
    assert Settings(**tomllib.loads(strategy_file())) == Settings()


def test_what_the_strategy_file_comments_out_is_valid_when_uncommented() -> None:
    text = "\n".join(
        line.removeprefix("#") if line.startswith("#") and not line.startswith("# ") else line
        for line in strategy_file().splitlines()
    )
    settings = Settings(**tomllib.loads(text))
    assert settings.send.finality_blocks is not None
    assert settings.size.groups
    assert settings.oracle.feeds


def test_the_strategy_file_shows_every_setting() -> None:
    text = strategy_file()
    for name, _ in setting_fields():
        if name.split(".")[0].removesuffix("[]") in STRATEGY:
            assert f"{name.rpartition('.')[2]} = " in text


def test_no_line_of_the_strategy_file_is_too_long() -> None:
    assert max(map(len, strategy_file().splitlines())) <= WIDTH


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has no <!-- environment"):
        settings_page("# Settings\n")


class Table(BaseModel):
    word: Literal["a", "b"] | None = None
    words: tuple[Literal["a", "b"], ...] = ()
    switch: bool = True
    text: str = ""
    number: Annotated[float, Field(gt=0, le=2)] | None = None
    numbers: Annotated[tuple[Annotated[int, Field(ge=1, lt=9)], ...], Field(min_length=2, max_length=3)] = (
        1,
        2,
    )
    pair: Annotated[tuple[int, ...], Field(min_length=2, max_length=2)] = (1, 2)
    names: tuple[str, ...] = Field(default=("a",), min_length=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("word", "`a`, `b`"),
        ("words", "each `a`, `b`"),
        ("switch", "`true`, `false`"),
        ("text", ""),
        ("number", "> 0, ≤ 2"),
        ("numbers", "2 to 3, each ≥ 1, < 9"),
        ("pair", "2"),
        ("names", "at least 1"),
    ],
)
def test_the_page_says_what_a_setting_may_be(name: str, expected: str) -> None:
    assert allowed(Table.model_fields[name]) == expected

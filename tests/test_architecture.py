"""docs/architecture.md says what the tree and the import contract say."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(path.parent.name for path in (ROOT / "keeper").glob("*/__init__.py"))
QUESTIONS = re.findall(r"^\| (.+\?) \| (.+) \|$", PAGE, flags=re.MULTILINE)


def layers() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (contract,) = [contract for contract in contracts if contract["type"] == "layers"]
    lines: list[str] = contract["layers"]
    return lines


def purpose(room: str) -> str:
    """The first paragraph of the package's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse((ROOT / "keeper" / room / "__init__.py").read_text("utf-8")))
    assert docstring, f"keeper/{room} has no docstring"
    return " ".join(docstring.split("\n\n")[0].split())


def test_the_page_shows_the_layers_of_the_import_contract() -> None:
    assert "```\n" + "\n".join(layers()) + "\n```" in PAGE


def test_every_room_is_in_a_layer() -> None:
    assert sorted(room.strip() for line in layers() for room in line.split("|")) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_row_with_its_purpose(room: str) -> None:
    assert f"| [`{room}`](../keeper/{room}) | {purpose(room)} |" in PAGE


def test_the_page_answers_at_least_twenty_questions() -> None:
    assert len(QUESTIONS) >= 20


@pytest.mark.parametrize(("question", "answer"), QUESTIONS, ids=[question for question, _ in QUESTIONS])
def test_every_answer_names_files_that_exist_and_names_that_are_in_them(question: str, answer: str) -> None:
    quoted = re.findall(r"`([^`]+)`", answer)
    files = [ROOT / name for name in quoted if "/" in name or name.endswith(".toml")]
    assert files, f"{question} has no file"
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    for name in quoted:
        if ROOT / name not in files:
            assert re.search(rf"\b{name.rpartition('.')[2]}\b", text), f"{name} is not in {files}"

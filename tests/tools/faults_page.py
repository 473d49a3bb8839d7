"""``make faults``: lists the tests of each row and invariant at the end of docs/faults.md."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "faults.md"
HEADING: Final = "## Tests by row\n\n"
OF_ROWS: Final = re.compile(r"test_rows?_(\d+)(?:_to_(\d+))?_")
OF_INVARIANT: Final = re.compile(r"test_(n\d)_")
CHAOS: Final = ("tests/faults/test_chaos.py", "tests/faults/test_chaos_postgres.py")
"""They kill at every failpoint: rows 1 to 6, under a name of their own."""


def rows(page: str) -> tuple[int, ...]:
    """The numbers of the rows in the tables."""
    return tuple(int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE))


def invariants(page: str) -> tuple[str, ...]:
    return tuple(re.findall(r"^\| (N\d) \|", page, re.MULTILINE))


def not_covered(page: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"^- Row (\d+): ", page, re.MULTILINE))


def names_of_tests() -> Iterator[tuple[str, str]]:
    """(file, function) of every test."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield path.relative_to(ROOT).as_posix(), node.name


@lru_cache(maxsize=1)
def covering_tests() -> dict[int | str, list[tuple[str, str]]]:
    """Tests by the row in their name, or by the invariant as ``N1``."""
    tests: dict[int | str, list[tuple[str, str]]] = defaultdict(list)
    for path, name in names_of_tests():
        if match := OF_ROWS.match(name):
            first, last = int(match[1]), int(match[2] or match[1])
            for row in range(first, last + 1):
                tests[row].append((path, name))
        elif match := OF_INVARIANT.match(name):
            tests[match[1].upper()].append((path, name))
        elif path in CHAOS:
            for row in range(1, 7):
                tests[row].append((path, name))
    return tests


def listing() -> str:
    """The last section: one item for a row, with the tests of each file."""
    lines = []
    tests = covering_tests()
    for row in sorted(
        tests, key=lambda key: (isinstance(key, str), key if isinstance(key, str) else f"{key:03}")
    ):
        lines.append(f"- **{row}**")
        by_file: dict[str, list[str]] = defaultdict(list)
        for path, name in tests[row]:
            by_file[path].append(name)
        for path, names in by_file.items():
            lines.append(f"  - `{path}`")
            lines += [f"    - `{name}`" for name in names]
    return "\n".join(lines) + "\n"


def main() -> int:
    head, heading, _ = PAGE.read_text(encoding="utf-8").partition(HEADING)
    PAGE.write_text(head + heading + listing(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``make mutate``: changes the core in one place at a time and lists the changes that no test notices.

The sources are copied, one mutant is written into the copy, and the tests of its package run there. A mutant that they
let live meets the tests of all four packages, with all examples. What still lives is listed; it is a test that is
missing, or a change that changes nothing.

Own code, because it takes a seeded sample over four packages and runs a mutant's own tests first.
"""

from __future__ import annotations

import argparse
import ast
import copy
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("decision", "sizing", "planning", "risk")
TIMEOUT_S: Final = 900.0

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
FUNCTIONS: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor"}


@dataclass(frozen=True)
class Mutant:
    """``place`` numbers the mutable nodes of the file in the order of ``ast.walk``."""

    path: Path
    place: int
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.before}  ->  {self.after}"

    @property
    def package(self) -> str:
        return self.path.relative_to(ROOT / "keeper").parts[0]


def mutated(node: ast.AST) -> ast.AST | None:
    """The changed node, None where no operator applies."""
    new = copy.deepcopy(node)
    match new:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            new.ops = [COMPARISONS[type(op)]()]
        case ast.BinOp(op=operator) if type(operator) in ARITHMETIC and not _is_type(new):
            new.op = ARITHMETIC[type(operator)]()
        case ast.BoolOp(op=boolean):
            new.op = ast.Or() if isinstance(boolean, ast.And) else ast.And()
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case ast.Constant(value=int() | float() as value):
            new.value = not value if isinstance(value, bool) else value + 1
        case ast.Name(id=name) if name in FUNCTIONS:
            new.id = FUNCTIONS[name]
        case ast.Attribute(attr=name) if name in FUNCTIONS:
            new.attr = FUNCTIONS[name]
        case ast.IfExp(body=body, orelse=orelse):
            new.body, new.orelse = orelse, body
        case ast.Continue():
            return ast.copy_location(ast.Break(), new)
        case _:
            return None
    return new


def _is_type(node: ast.BinOp) -> bool:
    return isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)


def places(tree: ast.AST) -> list[ast.AST]:
    """Every node that an operator changes, but for decorators, annotations and what describes them."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        kept_out: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            kept_out += node.decorator_list
        if isinstance(node, ast.FunctionDef):
            kept_out.append(node.returns)
        if isinstance(node, ast.arg | ast.AnnAssign):
            kept_out.append(node.annotation)
        if isinstance(node, ast.Raise | ast.JoinedStr):
            kept_out.append(node)
        skipped |= {id(inner) for outer in kept_out if outer is not None for inner in ast.walk(outer)}
    return [node for node in ast.walk(tree) if id(node) not in skipped and mutated(node) is not None]


def all_mutants(packages: Sequence[str]) -> Iterator[Mutant]:
    for package in packages:
        for path in sorted((ROOT / "keeper" / package).rglob("*.py")):
            for place, node in enumerate(places(ast.parse(path.read_text(encoding="utf-8")))):
                new = mutated(node)
                assert new is not None
                yield Mutant(path, place, getattr(node, "lineno", 0), ast.unparse(node), ast.unparse(new))


def source_of(mutant: Mutant) -> str:
    tree = ast.parse(mutant.path.read_text(encoding="utf-8"))
    target = places(tree)[mutant.place]

    class Change(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if node is target:
                new = mutated(node)
                assert new is not None
                return new
            return self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Change().visit(tree)))


def is_noticed(mutant: Mutant, folder: Path) -> bool:
    written = folder / mutant.path.relative_to(ROOT)
    original = written.read_text(encoding="utf-8")
    written.write_text(source_of(mutant), encoding="utf-8")
    try:
        return not passes(folder, "fast", mutant.package) or not passes(folder, "default", *PACKAGES, "cycle")
    finally:
        written.write_text(original, encoding="utf-8")


def passes(folder: Path, profile: str, *packages: str) -> bool:
    tests = [f"tests/{package}" for package in packages]
    options = ("-x", "-q", "-m", "unit", "-p", "no:cacheprovider", f"--hypothesis-profile={profile}")
    command = [sys.executable, "-m", "pytest", *options, *tests]
    try:
        return not subprocess.run(
            command, cwd=folder, capture_output=True, timeout=TIMEOUT_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=60, help="how many; 0 is all")
    parser.add_argument("--seed", type=int, default=1, help="which")
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    chosen = parser.parse_args()
    everything = list(all_mutants(chosen.packages))
    count = min(chosen.mutants or len(everything), len(everything))
    sample = np.random.default_rng(chosen.seed).choice(len(everything), count, replace=False)
    began, survivors = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("keeper", "tests", "contracts_abi", "docs", "deploy"):
            shutil.copytree(ROOT / part, folder / part)
        for file in ("pyproject.toml", "keeper.toml", ".env.example"):
            shutil.copy(ROOT / file, folder / file)
        assert passes(folder, "fast", *PACKAGES, "cycle"), "the tests fail without any mutant"
        for number in sample:
            if not is_noticed(everything[number], folder):
                survivors += 1
                print(everything[number], flush=True)
    minutes = (time.monotonic() - began) / 60
    print(
        f"{count} of {len(everything)} mutants, {survivors} survived, {minutes:.0f} minutes, seed {chosen.seed}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

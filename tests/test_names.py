"""Names mean one thing, and calls and files stay readable: what docs/glossary.md and CONTRIBUTING.md demand."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
KEEPER: Final = ROOT / "keeper"
GLOSSARY: Final = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
MAX_PARAMETERS, MAX_POSITIONALS, MAX_LINES = 6, 3, 400
PROTOCOL_NAMES: Final = {"instrument_not_found", "method_not_found"}
"""Names of a protocol's own errors, though a part of them is retired."""


@lru_cache(maxsize=1)
def trees() -> dict[str, ast.Module]:
    """Every module of keeper by its path."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(KEEPER.rglob("*.py"))
    }


def identifiers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """What the module itself names: definitions, parameters, assigned names and attributes, import aliases."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                yield name, node.lineno
            case (
                ast.arg(arg=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
            ):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno


def words(name: str) -> set[str]:
    """The parts of an identifier, split at underscores. ``walk_forward`` is a term of the field."""
    return set(name.lower().replace("walk_forward", "").split("_"))


def section(heading: str) -> str:
    return GLOSSARY.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def retired_words() -> set[str]:
    rows = [line.split("|")[1] for line in section("Retired words").splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`(\w+)`", row)}


def glossary_names() -> list[str]:
    rows = [line for line in GLOSSARY.partition("## Retired words")[0].splitlines() if line.startswith("| ")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])]


def parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


@lru_cache(maxsize=1)
def option_types() -> frozenset[str]:
    """The names that keeper/cli gives to annotated typer options which several commands share."""
    return frozenset(
        target.id
        for path, tree in trees().items()
        for node in tree.body
        if path.startswith("keeper/cli/")
        and isinstance(node, ast.Assign)
        and "typer." in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    )


def is_command(function: ast.FunctionDef) -> bool:
    """Whether typer makes a command of it: each parameter is an option or an argument."""
    annotations = [argument.annotation for argument in (*function.args.args, *function.args.kwonlyargs)]
    texts = [ast.unparse(annotation) for annotation in annotations if annotation is not None]
    return bool(texts) and all(text.startswith("Annotated[") or text in option_types() for text in texts)


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path, tree in trees().items():
        yield from ((path, node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@lru_cache(maxsize=1)
def variadic_functions() -> frozenset[str]:
    """Functions that take any number of arguments, which a caller can only pass by position."""
    return frozenset(function.name for _, function in functions() if function.args.vararg is not None)


def own_callables(tree: ast.Module) -> set[str]:
    """What a module calls by a plain name and keeper defines: its own functions and classes, and those it imports."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keeper"):
            names |= {alias.asname or alias.name for alias in node.names}
    return names - variadic_functions()


def own_methods(tree: ast.Module) -> set[str]:
    return {
        method.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, ast.FunctionDef)
    }


def long_calls() -> Iterator[str]:
    """Calls with too many positional arguments: of a function or class of keeper, or of a method by ``self``."""
    for path, tree in trees().items():
        names, methods = own_callables(tree), own_methods(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or len(node.args) <= MAX_POSITIONALS:
                continue
            match node.func:
                case ast.Name(id=name) if name in names:
                    yield f"{path}:{node.lineno} {name}"
                case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if name in methods:
                    yield f"{path}:{node.lineno} {name}"


@pytest.mark.slow
def test_a_class_name_is_defined_once() -> None:
    names = Counter(
        node.name for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert {name for name, count in names.items() if count > 1} == set()


@pytest.mark.slow
def test_no_retired_word_is_part_of_an_identifier() -> None:
    retired = retired_words()
    assert len(retired) > 20
    back = [
        f"{path}:{line} {name}"
        for path, tree in trees().items()
        for name, line in [(Path(path).stem, 1), *identifiers(tree)]
        if name not in PROTOCOL_NAMES and words(name) & retired
    ]
    assert back == []


@lru_cache(maxsize=1)
def every_word() -> frozenset[str]:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in KEEPER.rglob("*.py"))
    modules = {part for path in trees() for part in Path(path).with_suffix("").parts}
    return frozenset(re.findall(r"\w+", sources)) | modules


@pytest.mark.parametrize("name", glossary_names())
def test_a_name_in_the_glossary_exists(name: str) -> None:
    assert name in every_word()


def test_no_function_has_too_many_parameters() -> None:
    many = {
        f"{path} {function.name}"
        for path, function in functions()
        if len(parameters(function)) > MAX_PARAMETERS and not is_command(function)
    }
    assert many == set()


def test_no_call_has_too_many_positional_arguments() -> None:
    assert list(long_calls()) == []


@pytest.mark.parametrize("folder", ["keeper", "tests"])
def test_no_file_is_too_long(folder: str) -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path for path, length in lengths.items() if length > MAX_LINES} == set()

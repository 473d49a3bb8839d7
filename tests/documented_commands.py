"""The `keeper` commands that documents tell people to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

from keeper.cli.app import COMMANDS, _loaded

BLOCK = re.compile(r"^(?P<indent> *)```\w*\n(?P<text>.*?)^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^ {4,}\S.*\n)+", re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def commands(text: str) -> Iterator[str]:
    """Every command line of code blocks and code spans, from the word `keeper` on."""
    blocks = [match["text"] for match in BLOCK.finditer(text)]
    rest = BLOCK.sub("", text)
    blocks += INDENTED.findall(rest)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        yield from _in_line(line.split(" #")[0])
    for span in SPAN.findall(rest.replace("\n", " ").replace("\\|", "|")):
        yield from _in_line(span)


def _in_line(line: str) -> Iterator[str]:
    """`keeper` must begin a command: alone, after `sudo -u keeper`, an assignment, a path, in a container or after a
    pipe."""
    user = r"(?:sudo -u keeper +(?:env +)?)?"
    container = r"(?:docker compose (?:--env-file \S+ )?(?:exec keeper|run --rm) +)?"
    prefix = rf"(?:^|[|;&(] *)\s*{user}{container}(?:\w+=\S+ +)*(?:[\w./]+/)?keeper +([^|;&)]+)"
    for match in re.finditer(prefix, line):
        yield match.group(1).strip()


@cache
def command_named(name: str) -> Any:
    return _loaded(name)


def mistake(line: str) -> str | None:
    """What is wrong with the words after `keeper`; None if that can be typed. Capitals and … stand for anything."""
    words = shlex.split(line.replace("…", "X"))
    if words[0].startswith("-"):
        return None if words[0] in ("--help", "--version", "-h") else f"there is no option {words[0]}"
    if words[0] not in COMMANDS:
        return f"there is no command {words[0]}"
    command = command_named(words.pop(0))
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return f"there is no command {words[0]}"
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    wrong = [
        word
        for word in words
        if word.startswith("-") and word.split("=")[0] not in {*options, "--help", "-h"}
    ]
    return f"there is no option {wrong[0]}" if wrong else None

"""Text that a contract or a server chose. It may hold what moves a terminal's cursor or begins a line of a file."""

from __future__ import annotations


def printable(text: str) -> str:
    """The same text. A character that is not printable, a line break among them, becomes its Python escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def printable_lines(text: str) -> str:
    """As ``printable``, but line breaks stay."""
    return "\n".join(map(printable, text.split("\n")))

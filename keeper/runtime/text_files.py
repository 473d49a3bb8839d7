"""Files that an operator brings: text, JSON and TOML. Whatever is wrong with one is a named setting error."""

from __future__ import annotations

import codecs
import json
import tomllib
from pathlib import Path
from typing import Any

from keeper.domain.errors import InvalidSetting
from keeper.runtime.json_text import MAX_BRACKETS

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\0")
"""What a file in UTF-16 or UTF-32 begins with or contains."""


def text_of(path: Path, name: str) -> str:
    """The text without a byte-order mark. ``name`` is the setting that names the file, or the file's own name
    where no setting does. Raises InvalidSetting."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(path, name, f"cannot be read ({_reason(error)})") from None
    if content.count(b"[") + content.count(b"{") > MAX_BRACKETS:
        raise _unreadable(path, name, "nested too deeply")
    if content.startswith(UTF_16[:2]) or UTF_16[2] in content:
        raise _unreadable(path, name, "cannot be read (UTF-16 or binary, not UTF-8 text)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, name, f"cannot be read (not UTF-8 text at byte {error.start})") from None


def first_line(path: Path, name: str) -> str:
    """Without its line end. Raises InvalidSetting."""
    return text_of(path, name).split("\n", 1)[0].rstrip("\r")


def json_object(path: Path, name: str) -> dict[str, Any]:
    """Raises InvalidSetting. The message never shows the content, which may be secret."""
    text = text_of(path, name)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _unreadable(path, name, "not a JSON object")
    return content


def toml_table(path: Path, name: str) -> dict[str, Any]:
    """Raises InvalidSetting with the line that is no TOML."""
    text = text_of(path, name)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = f"not TOML ({error})"
    except RecursionError:
        reason = "not TOML (nested too deeply)"
    raise _unreadable(path, name, reason)


def _unreadable(path: Path, name: str, reason: str) -> InvalidSetting:
    is_fixed = name == str(path)
    named, other = (name, "") if is_fixed else (f"{name} = {path}", f", or set {name} to another")
    return InvalidSetting(
        f"{named}: {reason}", remedy=f"Correct the file and save it as UTF-8{other}. Nothing was started."
    )


def _reason(error: OSError | ValueError) -> str:
    """Of a path with a character that no file name can have, Python raises ValueError."""
    return error.strerror or "no such file" if isinstance(error, OSError) else "no file can have this name"

"""Digests of the program, the ABIs and the settings that the operator approved. A later change is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from keeper.domain.errors import Tampered
from keeper.runtime.shipped import PACKAGE, shipped


def digests(settings_sha256: str, package: Path = PACKAGE) -> dict[str, str]:
    """SHA-256 by kind: "settings" as given, "code" of every source file of the package, "abi" of every ABI file."""
    folder = shipped(package) / "contracts_abi"
    return {
        "settings": settings_sha256,
        "code": digest_of(sorted(package.rglob("*.py")), package),
        "abi": digest_of(sorted(folder.glob("*.json")), folder),
    }


def digest_of(files: Iterable[Path], root: Path) -> str:
    """SHA-256 of the files' names and contents."""
    whole = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        whole.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def require_unchanged(sealed: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raises Tampered naming every kind whose digest differs from the sealed one. Unsealed kinds are not checked."""
    changed = [kind for kind in now if kind in sealed and sealed[kind] != now[kind]]
    if changed:
        raise Tampered(
            f"changed since `keeper seal`: {', '.join(changed)}",
            remedy="If you made the change, run `keeper seal`. If not, find out who did before anything is sent.",
        )

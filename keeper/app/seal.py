"""What the operator approved, as digests: program, ABIs, settings. Whoever edits one of them after that is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from keeper.domain.errors import Tampered

PACKAGE = Path(__file__).parents[1]


def digests(settings_sha256: str, package: Path = PACKAGE, abis: Path | None = None) -> dict[str, str]:
    """Kind to SHA-256: "settings" as given, "code" over every source file of the package, "abi" over every ABI."""
    folder = abis if abis is not None else _abis(package)
    return {
        "settings": settings_sha256,
        "code": digest_of(sorted(package.rglob("*.py")), package),
        "abi": digest_of(sorted(folder.glob("*.json")), folder),
    }


def digest_of(files: Iterable[Path], root: Path) -> str:
    """Over names and contents."""
    whole = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        whole.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def require_unchanged(sealed: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raises Tampered naming what is not as it was sealed. What was never sealed is not looked at."""
    changed = [kind for kind in now if kind in sealed and sealed[kind] != now[kind]]
    if changed:
        raise Tampered(
            f"not as it was sealed: {', '.join(changed)}",
            remedy="If you changed it yourself: `keeper seal`. If not, find out who did before anything is sent.",
        )


def _abis(package: Path) -> Path:
    """Beside the package in a checkout, beside it among the installed packages in a wheel."""
    return package.parent / "contracts_abi"

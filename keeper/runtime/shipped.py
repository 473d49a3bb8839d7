"""The files that belong to the program and are not its code: ABIs, documents, deployment files."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(package: Path = PACKAGE) -> Path:
    """Their folder: the checkout, or ``keeper/shipped`` of an installed package. Both have the same layout."""
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent

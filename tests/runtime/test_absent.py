"""A module that is made absent, and one that was there before."""

from __future__ import annotations

import importlib
import sys

import pytest

from keeper.runtime.absent import absent

pytestmark = pytest.mark.unit


def test_within_the_block_it_cannot_be_imported_and_after_it_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with absent("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)


def test_one_that_is_imported_already_stays() -> None:
    with absent("sys"):
        assert importlib.import_module("sys") is sys
    assert sys.modules["sys"] is sys

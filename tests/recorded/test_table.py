"""Recorded CSV files that were changed by another program."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import pytest

from keeper.domain.errors import BadInput
from keeper.recorded.series import SeriesForm
from keeper.recorded.stable import ROUNDS_FILE, stable_at
from keeper.recorded.table import read_columns

FORM = SeriesForm(("close",), required=("close",), stamp="ts_utc")
TABLE = "ts_utc,close\n2023-01-01T00:00:00Z,1.5\n2023-01-01T01:00:00Z,\n"


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "closes.csv"
    path.write_bytes(codecs.BOM_UTF8 + TABLE.encode())
    found = read_columns(path, FORM)
    assert found.times.tolist() == [1_672_531_200, 1_672_534_800]
    assert found.values[0, 0] == 1.5
    assert np.isnan(found.values[1, 0])


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode("utf-16"),
        b"ts_utc,close\n\xff\xfe,1\n",
        b"ts_utc,close\nyesterday,1\n",
        b"ts_utc,close\n2023-01-01T00:00:00Z,much\n",
        b"ts_utc,close\n2023-01-01T00:00:00Z\n",
        b"",
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "closes.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"closes\.csv"):
        read_columns(path, FORM)


@pytest.mark.parametrize(
    "content",
    ["answer,updated_at\n1,now\n", "answer\n1\n", "answer,updated_at\n1\n", "answer,updated_at\n0,1\n"],
)
def test_rounds_that_are_none_are_named_with_their_line(tmp_path: Path, content: str) -> None:
    (tmp_path / ROUNDS_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=f"{ROUNDS_FILE}, line 2: no round"):
        stable_at(tmp_path, np.array([0]))

"""README's table of strategies is of this strategy and this engine, or the run says that it is stale."""

from __future__ import annotations

import pytest

from tests.tools import published

ROW = dict(
    zip(
        (
            "name",
            "growth",
            "realised_volatility",
            "target_volatility",
            "max_drawdown",
            "sharpe",
            "sharpe_error",
        ),
        ("risk parity", "26.8", "0.757", "0.8", "0.79", "1.27", "0.46"),
        strict=True,
    )
) | dict(
    zip(
        (
            "share_dispersion",
            "turnover",
            "trades",
            "cost_bps",
            "interest_bps",
            "min_health_factor",
            "verdict",
        ),
        ("0.033", "12.1", "100", "280", "26", "1.96", ""),
        strict=True,
    )
)
HELD = ROW | {
    "name": "BTC held",
    "target_volatility": "nan",
    "share_dispersion": "nan",
    "min_health_factor": "inf",
    "first_minus_this": "-0.192",
    "first_minus_this_error": "0.263",
    "verdict": "no difference",
}


@pytest.mark.slow
@pytest.mark.skipif(published.data_folder() is None, reason="no recorded history in KEEPER_DATA_DIR")
def test_the_table_of_strategies_is_of_this_strategy_and_this_engine() -> None:
    written = published.written_probe(published.README.read_text(encoding="utf-8"))
    assert published.probe() == written, "README's table is stale: run `make backtest`"


def test_a_row_is_written_as_people_read_it() -> None:
    _, _, strategy, held = published.table([ROW, HELD]).splitlines()
    assert strategy.startswith(
        "| **risk parity** | **75.7 %** | **79 %** | **1.27 ± 0.46** | **–** | **× 27.8** |"
    )
    assert "| 75.7 % (no target) | 79 % | 1.27 ± 0.46 | −0.192 ± 0.263: no difference |" in held
    assert held.endswith("| – | ∞ |")


def test_only_table_and_probe_are_renewed() -> None:
    text = published.README.read_text(encoding="utf-8")
    renewed = published.page(text, [ROW, HELD], "a probe")
    assert published.written_probe(renewed) == "a probe"
    begin, end = text.index(published.BEGIN), text.index(published.END, text.index(published.PROBE))
    assert renewed.startswith(text[:begin])
    assert renewed.endswith(text[end:])

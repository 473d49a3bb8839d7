"""On recorded history: what ships forecasts better than plain EWMAs, in a part of the years it was chosen on."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from keeper.domain.policy import Policy
from keeper.evaluate import candidates as candidates_module
from keeper.evaluate.candidates import BASE, OWN
from keeper.evaluate.evaluate import evaluate
from keeper.evaluate.samples import Periods
from keeper.recorded.path import recorded_path
from keeper.recorded.prices import price_file
from keeper.settings.load import load_strategy
from keeper.settings.policy import policy, restricted

DATA = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
PLAIN = ("EWMA 5 d", "EWMA 21 d")


def seconds(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())


@pytest.mark.slow
@pytest.mark.skipif(price_file(DATA) is None, reason=f"no recorded history in {DATA}")
def test_the_shipped_estimator_beats_plain_ewmas_on_recorded_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    every = candidates_module.historical

    def few(whole: Policy) -> dict[str, Policy]:
        return {name: one for name, one in every(whole).items() if name in (BASE, *PLAIN)}

    monkeypatch.setattr(candidates_module, "historical", few)
    monkeypatch.setattr(candidates_module, "peers", lambda: ({}, {}))
    strategy, _ = restricted(
        policy(load_strategy(Path(__file__).parents[2] / "keeper.toml")), ("WBTC", "WETH", "LINK")
    )
    symbols = tuple(one.symbol for one in strategy.assets)
    path = recorded_path(
        DATA, symbols, datetime(2020, 9, 1), datetime(2022, 7, 1), strategy.estimate.max_gap_s
    )
    periods = Periods(seconds(2020, 9), seconds(2022, 7), seconds(2022, 7), seconds(2022, 7))
    evaluation = evaluate(
        path, strategy, periods, generator=np.random.default_rng(1), progress=lambda done, total: None
    )

    found = {
        one.candidate: one
        for one in evaluation.scores
        if one.horizon == 1 and one.sample.startswith("choice with options")
    }
    assert found[OWN].gain > 0.0
    assert found["EWMA 5 d"].own_gain > 0.0
    assert found["EWMA 21 d"].own_gain > 0.0
    assert 0.9 < found[OWN].bias < 1.1

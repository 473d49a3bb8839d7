"""The whole comparison on a small made-up market: it finds the better forecaster and never looks ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeper.domain.errors import InvalidSetting
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.evaluate import candidates as candidates_module
from keeper.evaluate.candidates import BASE, OWN, candidates
from keeper.evaluate.evaluate import Evaluation, evaluate
from keeper.evaluate.har_fit import fit_har
from keeper.evaluate.samples import Periods
from keeper.evaluate.scoring import Score
from tests.evaluate.markets import SYMBOLS, day, market
from tests.factories import DAY, a_policy, an_estimate_policy, some_assets

POLICY = a_policy(
    assets=tuple(replace(one, budget=1 / 3) for one in some_assets() if one.symbol in SYMBOLS),
    estimate=an_estimate_policy(
        history_s=30 * DAY, min_bars=200, volatility="ewma_mix", mix_half_lives_days=(1.0, 3.0)
    ),
)
PERIODS = Periods(day(0), day(140), day(140), day(230))
FEW = ("EWMA 2 d", "EWMA 21 d", "EWMA 5 d / 21 d")


def name_few(change: pytest.MonkeyPatch) -> None:
    """A handful of candidates: the others differ by numbers."""
    every = candidates_module.historical

    def few(policy: Policy) -> dict[str, Policy]:
        return {name: one for name, one in every(policy).items() if name in (BASE, *FEW)}

    change.setattr(candidates_module, "historical", few)
    change.setattr(candidates_module, "peers", lambda: ({}, {"skfolio X": "skfolio is not installed"}))


@pytest.fixture
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    name_few(monkeypatch)


def evaluated(path: MarketPath, periods: Periods = PERIODS) -> Evaluation:
    return evaluate(
        path, POLICY, periods, generator=np.random.default_rng(5), progress=lambda done, total: None
    )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Of the whole market, once for the tests that only look at it."""
    with pytest.MonkeyPatch.context() as change:
        name_few(change)
        return evaluated(market(230))


def score(evaluation: Evaluation, candidate: str, sample: str = "choice", horizon: int = 1) -> Score:
    (found,) = (
        one
        for one in evaluation.scores
        if one.candidate == candidate and one.sample.startswith(f"{sample}: ") and one.horizon == horizon
    )
    return found


@pytest.mark.slow
def test_where_volatility_changes_every_fortnight_the_fast_forecaster_wins(
    evaluation: Evaluation,
) -> None:
    fast, slow = score(evaluation, "EWMA 2 d"), score(evaluation, "EWMA 21 d")
    assert fast.log_likelihood > slow.log_likelihood
    assert fast.qlike < slow.qlike
    assert fast.targeting is not None
    assert slow.targeting is not None
    assert fast.targeting.turnover > slow.targeting.turnover
    constant = score(evaluation, "constant 80 %, 0.7")
    assert constant.own_gain == pytest.approx(score(evaluation, OWN).log_likelihood - constant.log_likelihood)


@pytest.mark.slow
def test_implied_volatility_that_knows_the_regime_adds_a_gain(
    evaluation: Evaluation,
) -> None:
    blend = score(evaluation, "EWMA 5 d / 21 d + 50% IV", "choice with options")
    assert blend.base == "EWMA 5 d / 21 d"
    assert blend.gain > 0.0
    gains = {
        (one.symbol, one.horizon): one.gain
        for one in evaluation.implied_gains
        if one.candidate == blend.candidate and one.sample == blend.sample
    }
    assert set(gains) == {(symbol, horizon) for symbol in SYMBOLS for horizon in (1, 7)}
    assert gains["WBTC", 1] > 0.0


@pytest.mark.slow
@pytest.mark.usefixtures("few_candidates")
def test_altering_the_future_changes_no_earlier_score(evaluation: Evaluation) -> None:
    path = market(230)
    later = path.times > day(140)
    closes = np.where(later[:, None], path.closes * np.linspace(1, 9, later.size)[:, None], path.closes)
    implied = tuple(
        replace(one, volatility=np.where(one.times > day(140), 3.0, one.volatility)) for one in path.implied
    )
    before, after = evaluation, evaluated(replace(path, closes=closes, implied=implied))
    kept = [one for one in before.scores if one.sample.startswith("choice")]
    assert kept == [one for one in after.scores if one.sample.startswith("choice")]
    assert before.har == after.har
    assert score(before, OWN, "check") != score(after, OWN, "check")


@pytest.mark.slow
def test_no_outcome_of_the_choice_reaches_into_the_check(
    evaluation: Evaluation,
) -> None:
    assert [score(evaluation, OWN, "choice", horizon).days for horizon in (1, 7)] == [110, 104]
    assert [score(evaluation, OWN, "check", horizon).days for horizon in (1, 7)] == [90, 84]


@pytest.mark.slow
@pytest.mark.usefixtures("few_candidates")
def test_equal_seeds_give_equal_scores(evaluation: Evaluation) -> None:
    assert evaluated(market(230)) == evaluation


@pytest.mark.slow
@pytest.mark.usefixtures("few_candidates")
def test_an_asset_that_begins_late_is_judged_in_a_sample_of_its_own() -> None:
    evaluation = evaluated(market(330, late_days=70), Periods(day(0), day(240), day(240), day(330)))
    assert {one.symbols for one in evaluation.samples} == {SYMBOLS[:2], SYMBOLS}
    start = {one.name: one.start for one in evaluation.samples}
    assert start["choice: WBTC, WETH"] == day(30)
    assert start["choice: WBTC, WETH, LINK"] == day(100)


@pytest.mark.slow
@pytest.mark.usefixtures("few_candidates")
def test_an_asset_without_any_price_is_left_out() -> None:
    evaluation = evaluated(market(230, late_days=400))
    assert {one.symbols for one in evaluation.samples} == {SYMBOLS[:2]}


@pytest.mark.slow
@pytest.mark.usefixtures("few_candidates")
def test_without_recorded_options_nothing_is_judged_with_them() -> None:
    evaluation = evaluated(replace(market(230), implied=()))
    assert not evaluation.implied_gains
    assert not any(one.with_options for one in evaluation.samples)
    assert "% IV" not in " ".join(one.candidate for one in evaluation.scores)


@pytest.mark.slow
@pytest.mark.usefixtures("few_candidates")
def test_progress_counts_up_to_its_total() -> None:
    told: list[tuple[int, int]] = []
    evaluate(
        market(230),
        POLICY,
        PERIODS,
        generator=np.random.default_rng(5),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == max(total for _, total in told)


@pytest.mark.usefixtures("few_candidates")
def test_a_period_without_days_after_the_history_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="fewer than 60 days after 30 days of history"):
        evaluated(market(80), Periods(day(0), day(80), day(80), day(80)))


def test_the_strategy_is_the_first_candidate_and_missing_peers_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("keeper.evaluate.peers.find_spec", lambda name: None)
    found, absent = candidates(POLICY)
    assert found[0].name == OWN
    assert {one.base for one in found} <= {one.name for one in found}
    assert len({one.name for one in found}) == len(found)
    assert {one.reason for one in absent} == {"skfolio is not installed"}


# -------------------------------------------------------------- fit of the HAR


def test_the_fit_weighs_recent_days_where_volatility_changes_and_sums_to_one() -> None:
    fit = fit_har(market(300, seed=8), POLICY.estimate, start=day(30), end=day(300))
    assert fit is not None
    assert sum(fit.weights) == pytest.approx(1.0)
    assert fit.weights[0] > 0.5
    assert fit.observations == 3 * 264


def test_a_constant_volatility_needs_no_scale() -> None:
    fit = fit_har(market(300, regimes=False), POLICY.estimate, start=day(30), end=day(300))
    assert fit is not None
    assert fit.scale == pytest.approx(1.0, abs=0.03)


def test_too_few_days_give_no_fit() -> None:
    assert fit_har(market(80), POLICY.estimate, start=day(30), end=day(60)) is None

"""Candidates, scores and findings, and the store that lets a sweep go on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from keeper.backtest.engine import backtest
from keeper.domain.errors import InvalidSetting
from keeper.sweep.findings import SweptCandidate, findings, splits
from keeper.sweep.luck import best_over_first
from keeper.sweep.outcome import DAILY, CandidateOutcome, outcome_of, trial
from keeper.sweep.parameters import grid, parsed, random_draws
from keeper.sweep.scores import (
    SCORES,
    cost_bps,
    holding,
    implementation,
    owner,
    shares_off,
    sharpe_ratio,
    turnover,
)
from keeper.sweep.store import Store, digest_of, key_of
from keeper.sweep.workers import Failed, Job, on_this_machine
from tests.backtest.paths import FIRST, a_backtest_policy, a_path, a_venue
from tests.sweep import jobs
from tests.sweep.jobs import LEVELS, PATH, at_level, some_jobs


def candidates() -> list[SweptCandidate]:
    return [
        SweptCandidate(number, {"size.target_volatility": level}, jobs.quick(PATH, at_level(level)))
        for number, level in enumerate(LEVELS)
    ]


def a_year(*, days: int = 365, **given: NDArray[np.float64]) -> CandidateOutcome:
    """Of a candidate that does nothing, but for what is given."""
    nothing = {name: np.zeros(days) for name in DAILY if name != "days"}
    return CandidateOutcome(
        days=86_400 * np.arange(1, days + 1, dtype=np.int64), **(nothing | given), target_volatility=0.8
    )


# ------------------------------------------------------------------ parameters


def test_a_grid_is_every_combination_in_order() -> None:
    found = grid(
        [parsed("size.target_volatility=0.6,0.8"), parsed("size.allocation=risk_parity,equal_weight")]
    )
    assert [tuple(one.values()) for one in found] == [
        (0.6, "risk_parity"),
        (0.6, "equal_weight"),
        (0.8, "risk_parity"),
        (0.8, "equal_weight"),
    ]


def test_a_range_is_five_points_on_a_grid_and_whole_where_its_ends_are() -> None:
    assert parsed("a.b=0.1..0.5").on_grid() == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert parsed("a.b=1..3").on_grid() == (1, 2, 3)


def test_the_same_seed_draws_the_same_within_the_range() -> None:
    parameters = [parsed("a.b=0.1..0.5"), parsed("a.c=1..3"), parsed("a.d=x,y")]
    drawn = random_draws(parameters, 50, seed=7)
    assert drawn == random_draws(parameters, 50, seed=7)
    assert drawn != random_draws(parameters, 50, seed=8)
    assert all(0.1 <= float(one["a.b"]) < 0.5 and one["a.c"] in (1, 2, 3) for one in drawn)


@pytest.mark.parametrize("text", ["", "a.b", "a.b=", "=3", "a.b=3..1", "a.b=x..y"])
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(InvalidSetting, match="set: ") as caught:
        parsed(text)
    assert "--set" in (caught.value.remedy or "")


# ---------------------------------------------------------------------- scores


@pytest.mark.slow
def test_an_outcome_has_the_days_of_its_backtest() -> None:
    policy = a_backtest_policy()
    path = a_path(bars=FIRST + 24 * 20)
    result = backtest(path, policy, a_venue(), "candidate")
    outcome = outcome_of(result, policy)
    assert outcome.days.size == outcome.returns.size == outcome.costs.size == outcome.squared_error.size
    assert math.exp(outcome.returns.sum()) == pytest.approx(
        result.nav_usd[np.flatnonzero(result.times == outcome.days[-1])[0]]
        / result.nav_usd[np.flatnonzero(result.times % 86_400 == 0)[0]]
    )
    assert implementation(outcome) < 0
    assert trial(path, policy, a_venue()).returns.tolist() == outcome.returns.tolist()


def test_implementation_is_costs_and_tracking_error_in_bps_a_year() -> None:
    outcome = a_year(costs=np.full(365, 1e-5), squared_error=np.full(365, 0.01))
    assert implementation(outcome) == pytest.approx(-(365 * 0.1 + 200.0))


def test_holding_is_the_distance_of_thirty_days_from_the_target_whichever_side() -> None:
    daily = 0.8 / math.sqrt(365.0) * np.where(np.arange(365) % 2, 1.0, -1.0) * math.sqrt(29 / 30)
    assert holding(a_year(returns=daily)) == pytest.approx(0.0, abs=1e-12)
    for factor in (0.5, 2.0):
        assert holding(a_year(returns=factor * daily)) == pytest.approx(-math.log(2.0))
    assert math.isnan(holding(a_year().within(0, 86_400 * 20)))


def test_an_owner_loses_costs_and_half_the_aversion_times_the_square_off_target() -> None:
    daily = 0.6 / math.sqrt(365.0) * np.where(np.arange(365) % 2, 1.0, -1.0) * math.sqrt(29 / 30)
    assert owner(a_year(returns=daily, costs=np.full(365, 1e-5))) == pytest.approx(
        -(36.5 + 1e4 * 0.75 * 0.2**2)
    )


def test_cost_turnover_and_shares_off_are_of_a_year() -> None:
    outcome = a_year(costs=np.full(365, 1e-5), turnover=np.full(365, 0.01), share_error=np.full(365, 0.0025))
    assert cost_bps(outcome) == pytest.approx(36.5)
    assert turnover(outcome) == pytest.approx(3.65)
    assert shares_off(outcome) == pytest.approx(0.05)


# ------------------------------------------------------------------------ luck


def leading_by(lead: float, count: int, *, days: int = 1_460) -> list[CandidateOutcome]:
    """Candidates whose daily costs differ by noise, and by ``lead`` bps a year in favour of the last."""
    noise = np.random.default_rng(1).normal(0.0, 2e-5, (count, days))
    noise[-1] -= lead / 1e4 / 365
    return [a_year(costs=1e-4 + row, days=days) for row in noise]


def test_a_lead_within_its_noise_is_luck_and_a_wide_one_is_not() -> None:
    lucky = best_over_first(leading_by(0.0, 12), implementation)
    assert 0.0 < lucky.difference < 3.0 * lucky.error
    assert lucky.by_luck > 0.2
    real = best_over_first(leading_by(40.0, 12), implementation)
    assert real.difference > 30.0
    assert real.by_luck == 0.0


def test_more_candidates_make_the_same_lead_more_likely_luck() -> None:
    every = leading_by(0.0, 40)
    scores = [implementation(one) for one in every]
    best = every[int(np.argmax(scores))]
    few, many = (best_over_first(some, implementation) for some in ([every[0], best], every))
    assert few.difference == many.difference
    assert few.by_luck < many.by_luck


def test_too_few_days_and_a_first_that_is_the_best_say_nothing_about_luck() -> None:
    assert math.isnan(best_over_first(leading_by(40.0, 3, days=599), implementation).error)
    assert best_over_first(leading_by(40.0, 1), implementation).difference == 0.0


def test_the_front_leaves_out_what_another_one_beats_in_both() -> None:
    found = findings(candidates(), SCORES["implementation"], 3)
    front = found.front
    assert front
    costs, missed = [row.cost_bps for row in front], [row.missed_target for row in front]
    assert costs == sorted(costs)
    assert missed == sorted(missed, reverse=True)
    for row in found.rows:
        assert any(one.cost_bps <= row.cost_bps and one.missed_target <= row.missed_target for one in front)


def test_a_stretch_without_days_has_no_score() -> None:
    nothing = jobs.quick(PATH, at_level(0.6)).within(0, 0)
    assert math.isnan(implementation(nothing))
    assert math.isnan(sharpe_ratio(nothing))


# -------------------------------------------------------------------- findings


def test_splits_are_anchored_and_no_day_trains_and_tests_at_once() -> None:
    days = np.arange(1, 101, dtype=np.int64) * 86_400
    cuts = splits(days, 4)
    assert [cut.train_since for cut in cuts] == [0] * 4
    assert [(cut.train_until // 86_400, cut.test_until // 86_400) for cut in cuts] == [
        (20, 40),
        (40, 60),
        (60, 80),
        (80, 100),
    ]


def test_the_best_is_first_and_every_split_chooses_on_its_past_alone() -> None:
    found = findings(candidates(), SCORES["implementation"], 3)
    assert found.rows[0].candidate.assignment == {"size.target_volatility": 0.7}
    assert set(found.chosen) == {2}
    assert found.walk_forward.days.size == sum(
        ((PATH.times % 86_400 == 0) & (PATH.times > cut.train_until) & (PATH.times <= cut.test_until)).sum()
        for cut in found.splits
    )
    assert found.rank_correlation > 0.9


def test_what_comes_later_does_not_change_what_an_earlier_split_chose() -> None:
    before = findings(candidates(), SCORES["sharpe"], 3)
    last = before.splits[-1].train_until
    altered = [
        replace(
            one,
            outcome=replace(
                one.outcome,
                returns=np.where(one.outcome.days > last, -one.outcome.returns, one.outcome.returns),
            ),
        )
        for one in candidates()
        if one.outcome is not None
    ]
    after = findings(altered, SCORES["sharpe"], 3)
    assert after.chosen == before.chosen
    assert [row.train for row in sorted(after.rows, key=lambda row: row.candidate.number)] == [
        row.train for row in sorted(before.rows, key=lambda row: row.candidate.number)
    ]


def test_candidates_that_begin_later_are_judged_on_the_days_that_all_have() -> None:
    late = candidates()[1]
    assert late.outcome is not None
    shorter = replace(late, outcome=late.outcome.within(int(late.outcome.days[19]), 2**60))
    found = findings([candidates()[0], shorter, *candidates()[2:]], SCORES["implementation"], 2)
    assert found.walk_forward.days[0] > late.outcome.days[19]


def test_too_many_splits_for_the_days_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="splits is 30"):
        findings(candidates(), SCORES["implementation"], 30)


def test_luck_among_many_trials_of_noise_is_called_luck() -> None:
    generator = np.random.default_rng(3)
    base = jobs.quick(PATH, at_level(0.6))
    noise = [
        SweptCandidate(
            number, {"n": number}, replace(base, returns=generator.standard_normal(base.days.size) * 0.02)
        )
        for number in range(60)
    ]
    found = findings(noise, SCORES["sharpe"], 2)
    assert found.effective_trials > 50
    assert found.deflated < 0.9
    assert abs(found.rank_correlation) < 0.4
    assert "luck alone" in found.verdict


def test_copies_of_one_strategy_are_one_trial() -> None:
    same = [replace(candidates()[0], number=number) for number in range(10)]
    assert findings(same, SCORES["sharpe"], 2).effective_trials == pytest.approx(1.0)


# ----------------------------------------------------------------------- store


def test_a_store_gives_back_the_same_bits_and_survives_a_torn_line(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "candidates.jsonl"
    outcome = jobs.quick(PATH, at_level(0.6))
    store = Store(file)
    store.put("one", outcome)
    with file.open("a") as lines:
        lines.write('0123456789abcdef {"key":"torn')
    again = Store(file)
    again.put("two", outcome)
    third = Store(file)
    for key in ("one", "two"):
        found = third.get(key)
        assert found is not None
        assert found.returns.tobytes() == outcome.returns.tobytes()
    assert third.get("torn") is None


def test_a_flipped_digit_is_as_if_never_written(tmp_path: Path) -> None:
    file = tmp_path / "candidates.jsonl"
    Store(file).put("one", jobs.quick(PATH, at_level(0.6)))
    file.write_text(file.read_text().replace('"costs":[1e-05', '"costs":[2e-05'))
    assert Store(file).get("one") is None


def test_another_strategy_market_or_venue_is_another_key() -> None:
    market = digest_of(PATH)
    altered = PATH.closes.copy()
    altered[7, 1] *= 1.0000001
    keys = {
        key_of(at_level(0.6), market, a_venue()),
        key_of(at_level(0.7), market, a_venue()),
        key_of(at_level(0.6), digest_of(replace(PATH, closes=altered)), a_venue()),
        key_of(at_level(0.6), market, a_venue(initial_nav_usd=1.0)),
    }
    assert len(keys) == 4
    assert key_of(at_level(0.6), digest_of(a_path(bars=24 * 100)), a_venue()) in keys


# --------------------------------------------------------------------- workers


def run(job: Job, workers: int = 2) -> dict[int, CandidateOutcome | Failed]:
    return dict(on_this_machine(job, PATH, some_jobs(), workers))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_what_one_process_gives(workers: int) -> None:
    found = run(jobs.quick, workers)
    for number, level in enumerate(LEVELS):
        outcome = found[number]
        assert isinstance(outcome, CandidateOutcome)
        assert outcome.returns.tobytes() == jobs.quick(PATH, at_level(level)).returns.tobytes()


@pytest.mark.slow
def test_a_candidate_that_fails_as_expected_does_not_end_the_sweep() -> None:
    found = run(jobs.refusing)
    assert found[3] == Failed("NoEstimate: too little history")
    assert sum(isinstance(one, CandidateOutcome) for one in found.values()) == 3


def killing(folder: Path) -> Callable[..., CandidateOutcome]:
    return partial(jobs.deadly_once, str(folder))


@pytest.mark.faults
def test_a_worker_that_is_killed_is_replaced_and_its_candidate_tried_again(tmp_path: Path) -> None:
    found = run(killing(tmp_path))
    assert (tmp_path / "killed").exists()
    assert all(isinstance(one, CandidateOutcome) for one in found.values())


@pytest.mark.faults
def test_a_candidate_that_always_kills_its_worker_is_given_up() -> None:
    found = run(jobs.deadly, workers=1)
    assert found[2] == Failed("its worker died 3 times")
    assert sum(isinstance(one, CandidateOutcome) for one in found.values()) == 3

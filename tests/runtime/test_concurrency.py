from __future__ import annotations

from threading import Event

import pytest

from keeper.runtime.concurrency import results_in_time, run_in_background


def test_a_result_comes_through_the_future() -> None:
    assert run_in_background(lambda: 7).result(timeout=5) == 7


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    future = run_in_background(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        future.result(timeout=5)


def test_results_keep_the_order_of_the_works() -> None:
    first_may_end = Event()

    def slow() -> int:
        first_may_end.wait(5)
        return 1

    def fast() -> int:
        first_may_end.set()
        return 2

    assert results_in_time([slow, fast], lambda _: True, quorum=2, patience_s=5) == [1, 2]


def test_a_late_result_is_left_out_when_enough_others_are_good() -> None:
    never = Event()
    works = [lambda: 1, lambda: 2, lambda: int(never.wait(30))]
    assert results_in_time(works, lambda _: True, quorum=2, patience_s=0.01) == [1, 2]
    never.set()


def test_results_that_are_not_enough_do_not_end_the_wait() -> None:
    last_may_end = Event()

    def late() -> int:
        last_may_end.wait(0.2)
        return 3

    works = [lambda: 0, lambda: 0, late]
    assert results_in_time(works, lambda result: result > 0, quorum=1, patience_s=0.01) == [0, 0, 3]


def test_an_error_of_a_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        results_in_time([lambda: 1 // 0], lambda _: True, quorum=1, patience_s=1)

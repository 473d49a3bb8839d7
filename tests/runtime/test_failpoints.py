from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from keeper.domain.errors import InvalidSetting
from keeper.runtime import failpoints
from keeper.runtime.failpoints import VARIABLE, Failpoint


@pytest.fixture(autouse=True)
def kills(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The signals that this process would have sent to itself."""
    signals: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: signals.append(number))
    yield signals
    failpoints.arm("")


def test_without_names_nothing_is_armed(kills: list[int]) -> None:
    failpoints.arm("")
    for point in Failpoint:
        failpoints.reach(point)
    assert kills == []


def test_a_named_point_kills_the_first_time_it_is_reached(kills: list[int]) -> None:
    failpoints.arm("signed")
    failpoints.reach(Failpoint.BROADCAST)
    assert kills == []
    failpoints.reach(Failpoint.SIGNED)
    assert kills == [signal.SIGKILL]


def test_a_point_with_a_number_kills_only_that_time_and_may_freeze(kills: list[int]) -> None:
    failpoints.arm("signed:2, broadcast:1:freeze")
    failpoints.reach(Failpoint.SIGNED)
    assert kills == []
    failpoints.reach(Failpoint.SIGNED)
    failpoints.reach(Failpoint.BROADCAST)
    failpoints.reach(Failpoint.BROADCAST)
    assert kills == [signal.SIGKILL, signal.SIGSTOP]


@pytest.mark.parametrize("points", ["nowhere", "signed:x", "signed:1:burn", "signed,nowhere", ","])
def test_a_point_that_does_not_exist_is_refused(points: str) -> None:
    with pytest.raises(InvalidSetting, match="is not name, name:n or name:n:freeze"):
        failpoints.arm(points)


def test_the_environment_arms_on_the_development_chain_only(
    kills: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "signed")
    with pytest.raises(
        InvalidSetting, match="KEEPER_FAILPOINT = signed: accepted on chain id 31337 only, not on 1"
    ):
        failpoints.arm_from_environment(1)
    failpoints.reach(Failpoint.SIGNED)
    assert kills == []
    failpoints.arm_from_environment(31_337)
    failpoints.reach(Failpoint.SIGNED)
    assert kills == [signal.SIGKILL]


def test_without_the_variable_every_chain_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    failpoints.arm_from_environment(1)

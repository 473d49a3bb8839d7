from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.policy import Policy
from keeper.domain.record import DecisionRecord, StageTime
from keeper.journal.codec import decode, encode
from tests.factories import a_policy, a_snapshot, with_redemptions
from tests.views.records import a_record


class Colour(StrEnum):
    RED = "RED"


@dataclass(frozen=True, slots=True)
class Everything:
    whole: int
    real: float
    word: str
    switch: bool
    colour: Colour
    maybe: Round | None
    reals: tuple[float, ...]
    pair: tuple[int, str]
    rounds: tuple[Round, ...]
    named: Mapping[str, float]


rounds = st.builds(
    Round, st.integers(0, 2**80 - 1), st.integers(-(2**255), 2**255 - 1), st.integers(0, 2**40)
)
reals = st.floats(allow_nan=False)
anything = st.builds(
    Everything,
    whole=st.integers(-(2**256), 2**256),
    real=reals,
    word=st.text(),
    switch=st.booleans(),
    colour=st.just(Colour.RED),
    maybe=st.none() | rounds,
    reals=st.lists(reals).map(tuple),
    pair=st.tuples(st.integers(), st.text()),
    rounds=st.lists(rounds, max_size=3).map(tuple),
    named=st.dictionaries(st.text(), reals, max_size=3),
)


@given(anything)
def test_every_value_comes_back_to_the_same_bits(value: Everything) -> None:
    back = decode(encode(value, Everything), Everything)
    assert back == value
    assert [one.hex() for one in (back.real, *back.reals)] == [
        one.hex() for one in (value.real, *value.reals)
    ]


@given(anything)
def test_one_value_has_one_text(value: Everything) -> None:
    body = encode(value, Everything)
    assert encode(decode(body, Everything), Everything) == body


@pytest.mark.parametrize("real", [math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2, 1.7976931348623157e308])
def test_the_awkward_floats_keep_their_bits(real: float) -> None:
    value = Everything(0, real, "", False, Colour.RED, None, (real,), (0, ""), (), {"x": real})
    assert decode(encode(value, Everything), Everything).real.hex() == real.hex()


def test_nan_comes_back_as_nan() -> None:
    value = Everything(0, math.nan, "", False, Colour.RED, None, (), (0, ""), (), {})
    assert math.isnan(decode(encode(value, Everything), Everything).real)


def test_a_whole_policy_comes_back_equal() -> None:
    assert decode(encode(a_policy(), Policy), Policy) == a_policy()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"round_id":1.5,"answer":1,"updated_at":1}',
        b'{"round_id":true,"answer":1,"updated_at":1}',
    ],
)
def test_what_is_not_such_a_value_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(body, Round)


def test_a_value_without_one_of_its_fields_is_refused() -> None:
    snapshot = a_snapshot()
    content = json.loads(encode(snapshot, MarketSnapshot))
    assert decode(json.dumps(content).encode(), MarketSnapshot) == snapshot
    del content["redemptions"]
    with pytest.raises(KeyError, match="redemptions"):
        decode(json.dumps(content).encode(), MarketSnapshot)


def test_a_field_that_an_earlier_version_did_not_write_gets_its_default() -> None:
    record = replace(a_record(), next_look_at=1.0, stages=(StageTime("read", 0.5),))
    content = json.loads(encode(record, DecisionRecord))
    del content["next_look_at"], content["stages"]
    earlier = decode(json.dumps(content).encode(), DecisionRecord)
    assert earlier == replace(record, next_look_at=None, stages=())


def test_a_line_of_redemptions_comes_back_equal() -> None:
    snapshot = with_redemptions(a_snapshot(), 0.4)
    assert decode(encode(snapshot, MarketSnapshot), MarketSnapshot) == snapshot

"""Any single field of any answer of a node may be anything: no traceback, no wrong action, no second send.

``make fuzz-nodes N=20000`` plays more of them, JOBS=2 in two processes; SEED=7 chooses others.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from keeper.tx import nonce_watermark
from tests.faults.fixtures import Stage
from tests.faults.node_fuzzer import FuzzResult, NodeFuzzer, hurried
from tests.servers.mutating_node import Mutation, mutating_node

MUTATIONS = int(os.environ.get("KEEPER_MUTATIONS", "16"))
SEED = int(os.environ.get("KEEPER_SEED", "1"))
JOBS = int(os.environ.get("KEEPER_JOBS", "1"))
QUIET = 100
CHUNK = 50
"""Mutations that one seed draws. The chunks are shared by ``JOBS`` processes, and are the same however many these are."""


@pytest.fixture
def fuzzer(stage: Stage, request: pytest.FixtureRequest) -> Iterator[NodeFuzzer]:
    known: dict[str, object] = {}
    with ExitStack() as stack:
        stack.enter_context(hurried())
        nodes = [stack.enter_context(mutating_node(stage.proxy, known)) for _ in range(request.param)]
        yield NodeFuzzer(stage, nodes)


@pytest.mark.parametrize("fuzzer", [1, 3], ids=["the only node", "one of three"], indirect=True)
@pytest.mark.parametrize("job", range(JOBS))
def test_row_78_any_field_of_any_answer_may_be_anything(
    fuzzer: NodeFuzzer, job: int, request: pytest.FixtureRequest
) -> None:
    result = FuzzResult()
    began = time.monotonic()
    for first in range(job * CHUNK, MUTATIONS // 2, JOBS * CHUNK):
        some = fuzzer.run(min(CHUNK, MUTATIONS // 2 - first), SEED + first)
        result += some
        if MUTATIONS > QUIET:
            minutes = (time.monotonic() - began) / 60
            so_far = (
                f"{request.node.name}, seed {SEED + first}: {result.mutations} mutations, {result.applied} applied, "
                f"{len(result.broken)} broken, {result.mutations / minutes:.0f} a minute; {dict(result.ends)}"
            )
            sys.stderr.write("".join(f"{line}\n" for line in (*some.broken, so_far)))
    assert result.broken == [], "\n".join(result.broken[:20])
    assert result.applied >= 0.8 * result.mutations


@pytest.mark.parametrize("fuzzer", [1], ids=["the only node"], indirect=True)
def test_a_number_that_stays_wrong_in_the_journal_is_noticed_and_one_that_is_taken_back_is_none(
    fuzzer: NodeFuzzer, stage: Stage
) -> None:
    """A keeper that never believes a lower number again is harmed."""
    chain_id = stage.world.deployment.chain_id
    for settled_s, harmed in ((math.inf, True), (nonce_watermark.SETTLED_S, False)):
        with stage.trial() as trial, mock.patch.object(nonce_watermark, "SETTLED_S", settled_s):
            with Journal.open(trial.journal_url) as journal:
                StoredAttempts(journal, time.time).adopt_nonce(chain_id, trial.keeper, 2**62)
            assert bool(list(fuzzer.lasting_harm(trial))) is harmed


@pytest.mark.parametrize("fuzzer", [1], ids=["the only node"], indirect=True)
def test_row_78_the_largest_number_of_transactions_does_no_lasting_harm(fuzzer: NodeFuzzer) -> None:
    """The third count is the one by which the nonce is chosen."""
    result = FuzzResult()
    largest = Mutation("eth_getTransactionCount", 2, ("result",), kind="huge", variant=0)
    fuzzer.play(largest, result)
    assert (result.applied, result.broken) == (1, [])

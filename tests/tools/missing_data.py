"""``make fuzz-data``: random vaults whose inputs are degraded in every way, and what the keeper then allows."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np

from tests.cycle.degradations import (
    ALL_ASSETS,
    DEGRADATIONS,
    LONGEST_S,
    SHORTEST_S,
    Degradation,
)
from tests.cycle.information_properties import violations
from tests.cycle.market_states import a_market_state
from tests.cycle.rises import Rises
from tests.factories import RISK_SYMBOLS

LARGEST_SUBSET = 6
SHOWN = 20
TABLE_EVERY = 10
"""States between two at which every row of the table is tried."""


def subsets(generator: np.random.Generator) -> Iterator[tuple[Degradation, ...]]:
    """Of one state: one degradation alone, then a subset of several."""
    for size in (1, int(generator.integers(2, LARGEST_SUBSET + 1))):
        names = generator.choice(sorted(DEGRADATIONS), size=size, replace=False)
        yield tuple(
            Degradation(
                str(name),
                symbol=str(generator.choice([*RISK_SYMBOLS, ALL_ASSETS])),
                seconds=int(np.exp(generator.uniform(np.log(SHORTEST_S), np.log(LONGEST_S)))),
                place=float(generator.uniform()),
            )
            for name in names
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    generator = np.random.default_rng(chosen.seed)
    degraded_looks, counterexamples, kinds, rises = 0, 0, Counter[str](), Rises()
    for number in range(chosen.states):
        seed = int(generator.integers(2**31))
        if number % TABLE_EVERY == 0:
            for row, comparison in rises.look_at(a_market_state(seed)):
                print(f"state {number}, a_market_state({seed}), {row}: {'; '.join(comparison.violations)}")
        for degradations in subsets(generator):
            degraded_looks += 1
            raised = violations(a_market_state(seed), degradations)
            if raised:
                counterexamples += 1
                kinds.update(" ".join(text.split()[:2]) for text in raised)
                if counterexamples <= SHOWN:
                    print(f"state {number}, a_market_state({seed}), {degradations}: {'; '.join(raised)}")
    print(f"{chosen.states} states, {degraded_looks} degraded looks, {counterexamples} counterexamples")
    for kind, count in kinds.most_common():
        print(f"  {kind}: {count}")
    print("\n".join(rises.lines()))
    return int(counterexamples + rises.counterexamples > 0)


if __name__ == "__main__":
    sys.exit(main())

"""``make explore``: the property tests with random examples, again and again, until the time is up.

A failing example is kept twice: in Hypothesis's database, from which the printed command replays it, and with the
whole traceback in ``.hypothesis/found``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

FOUND = Path(".hypothesis") / "found"
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
PYTEST = (sys.executable, "-m", "pytest")
PROFILE = "--hypothesis-profile=explore"
NO_TESTS_FAILED = 0


def explore(minutes: float, paths: list[str]) -> list[str]:
    """Runs whole passes over the property tests until ``minutes`` are over; returns the tests that failed.

    The pass that is running when the time is up is stopped: the examples it found until then are in the database.
    """
    deadline = time.monotonic() + minutes * 60
    failed: dict[str, None] = {}
    number = 0
    while (left := deadline - time.monotonic()) > 0:
        number += 1
        failed |= dict.fromkeys(one_pass(number, left, paths))
    return list(failed)


def one_pass(number: int, left_s: float, paths: list[str]) -> list[str]:
    """One pass with a new seed. Returns the failed tests, and writes what pytest says of them to ``FOUND``."""
    seed = time.time_ns() % 2**32
    command = (*PYTEST, "-q", "-n", "2", "-m", "hypothesis", PROFILE, f"--hypothesis-seed={seed}", *paths)
    print(f"pass {number}, seed {seed}, {left_s / 60:.0f} minutes left", file=sys.stderr, flush=True)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=left_s)
    except subprocess.TimeoutExpired:
        process.terminate()
        output, _ = process.communicate()
    failed = FAILED.findall(output)
    if failed or process.returncode not in (NO_TESTS_FAILED, -15):
        FOUND.mkdir(parents=True, exist_ok=True)
        (FOUND / f"{seed}.txt").write_text(output, encoding="utf-8")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("paths", nargs="*", default=["tests"])
    chosen = parser.parse_args()
    failed = explore(chosen.minutes, chosen.paths)
    for test in failed:
        print(f"python -m pytest {PROFILE} '{test}'")
    print(f"{len(failed)} tests failed" + (f"; their tracebacks are in {FOUND}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

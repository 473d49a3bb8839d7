"""``make slither``: holds Slither's findings against the answers in docs/slither.md.

``python -m tests.tools.slither_page findings.json`` fails where a finding has no answer, or an answer no finding.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "slither.md"
ROW: Final = re.compile(r"^\| `([a-z0-9-]+)` \| ([^|]+) \|", re.MULTILINE)
PLACE: Final = re.compile(r"`([A-Za-z0-9]+)` (\d+)")

Findings = Mapping[str, Counter[str]]
"""Detector to contract to how often it was found there."""


def found(report: Mapping[str, Any]) -> Findings:
    """The findings of Slither's JSON report."""
    findings: dict[str, Counter[str]] = {}
    for finding in report["results"].get("detectors", ()):
        findings.setdefault(finding["check"], Counter())[_contract(finding["elements"][0])] += 1
    return findings


def answered(page: str) -> Findings:
    """The findings that the page's table answers."""
    return {
        detector: Counter({contract: int(count) for contract, count in PLACE.findall(places)})
        for detector, places in ROW.findall(page)
    }


def differences(findings: Findings, answers: Findings) -> Iterable[str]:
    """One sentence for each detector whose findings are not those that the page answers."""
    for detector in sorted(findings.keys() | answers.keys()):
        here, there = findings.get(detector, Counter()), answers.get(detector, Counter())
        if here != there:
            yield f"{detector}: found {_places(here)}; docs/slither.md answers {_places(there)}"


def _contract(element: Mapping[str, Any]) -> str:
    """The contract that a finding's element is in, however deep."""
    while element["type"] != "contract":
        element = element["type_specific_fields"]["parent"]
    return str(element["name"])


def _places(counts: Counter[str]) -> str:
    return ", ".join(f"`{contract}` {count}" for contract, count in sorted(counts.items())) or "nothing"


def main() -> int:
    findings = found(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    wrong = tuple(differences(findings, answered(PAGE.read_text(encoding="utf-8"))))
    for sentence in wrong:
        print(sentence)
    if not wrong:
        total = sum(count for places in findings.values() for count in places.values())
        print(f"{total} findings of {len(findings)} detectors, each answered in docs/slither.md")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

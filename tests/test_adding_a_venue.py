"""docs/adding-a-venue.md names the files of each venue, and there are no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding-a-venue.md").read_text(encoding="utf-8")
TABLE = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in PAGE.partition("## The files")[2].partition("\n\nA venue")[0].splitlines()
    if line.startswith("| ") and "---" not in line
]
VENUES = TABLE[0][2:]


def files(venue: str) -> list[str]:
    place = TABLE[0].index(venue)
    return [row[place] for row in TABLE[1:]]


@pytest.mark.parametrize("venue", VENUES)
def test_a_venue_is_one_contract_its_formulas_its_reading_and_its_devnet(venue: str) -> None:
    folders = [str(Path(file).parent) for file in files(venue)]
    assert folders == [
        "deploy/contracts/portfolio/accounts",
        "keeper/lending",
        "keeper/chain/contracts",
        "keeper/devnet",
    ]
    assert all((ROOT / file).exists() for file in files(venue))


def test_no_other_file_of_the_product_is_morphos_own() -> None:
    sources = [
        *(ROOT / "keeper").rglob("*.py"),
        *(ROOT / "deploy/contracts/portfolio/accounts").glob("*.sol"),
    ]
    named = {str(path.relative_to(ROOT)) for path in sources if "morpho" in path.stem.lower()}
    assert named == set(files("Morpho Blue"))


def test_every_account_of_the_vault_is_a_venues() -> None:
    contracts = {str(path.relative_to(ROOT)) for path in (ROOT / "deploy").rglob("accounts/*.sol")}
    assert contracts == {files(venue)[0] for venue in VENUES}


def test_every_file_and_name_on_the_page_exists() -> None:
    for name in re.findall(r"`((?:keeper|deploy|tests)/[^`]+)`", PAGE):
        assert (ROOT / name).exists(), name
    for file, name in re.findall(r"`(keeper/[^`]+)`: `(\w+)`", PAGE):
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8")), name

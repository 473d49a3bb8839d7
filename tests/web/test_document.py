"""docs/status-page.md has the numbers of the code."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from keeper.settings.endpoints import monitoring_endpoints
from keeper.settings.schema import Settings
from keeper.web import listener, reading, render, status_page
from keeper.web.content import HEALTH_FACTOR_SCALE

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "status-page.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    "sentence",
    [
        f"of up to {reading.TREND_RECORDS:,} cycles",
        f"the newest {reading.SHOWN_RECORDS}, with their reason",
        f"begin with the newest {reading.SHOWN_RECORDS + reading.DECODED_AT_ONCE} cycles",
        f"Each further read adds {reading.DECODED_AT_ONCE} older ones",
        f"does not answer within {status_page.LONGEST_READ_S:g} seconds",
        f"Requests within {status_page.FRESH_S:g} seconds",
        f"At most {listener.MAX_CONNECTIONS} connections are open, each for at most {listener.CONNECTION_S:g} seconds",
        f"cut at {render.LONGEST_TEXT:,} characters",
    ],
)
def test_the_document_has_the_limits_of_the_code(sentence: str) -> None:
    assert sentence in PAGE


def test_the_document_has_the_scale_of_the_health_factor() -> None:
    assert HEALTH_FACTOR_SCALE == 3
    assert "above three times the floor" in PAGE


def test_a_request_outlasts_the_longest_read() -> None:
    assert status_page.LONGEST_READ_S < listener.CONNECTION_S


@pytest.mark.parametrize(
    ("address", "word", "served"),
    [
        *(("127.0.0.1", "auto", True), ("::1", "auto", True), ("localhost", "auto", True)),
        *(("0.0.0.0", "auto", False), ("10.0.0.7", "auto", False), ("keeper.example", "auto", False)),
        *(("0.0.0.0", "on", True), ("127.0.0.1", "off", False)),
    ],
)
def test_other_machines_get_the_page_only_if_it_is_asked_for(address: str, word: str, served: bool) -> None:
    settings = Settings.model_validate({"metrics_address": address, "status_page": word})
    assert monitoring_endpoints(settings).status_page == served


def test_names_of_hosts_are_separated_by_blanks() -> None:
    assert monitoring_endpoints(Settings(metrics_hosts=" keeper  keeper.example ")).metrics_hosts == (
        "keeper",
        "keeper.example",
    )


@pytest.mark.parametrize("names", ["keeper:9188", "a,b", "http://keeper", "keeper a/b", "*"])
def test_a_name_that_no_request_can_have_is_refused(names: str) -> None:
    with pytest.raises(ValidationError, match="not names of hosts"):
        Settings(metrics_hosts=names)


def test_an_empty_address_is_refused() -> None:
    with pytest.raises(ValidationError, match="metrics_address"):
        Settings(metrics_address="")

"""Every answer only reads, is for this machine, and brings nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from http import HTTPStatus

import httpx
import pytest
import structlog

from keeper.domain.record import DecisionRecord
from keeper.monitoring.daemon_state import DaemonState
from keeper.monitoring.exporter import Pages
from keeper.web.application import application
from tests.web.answers import LATER, answer, site
from tests.web.readings import a_pending_transaction, a_reading
from tests.web.scene import a_look, daemon_after

PATHS = ("/", "/page.css", "/page.js", "/icon.svg", "/metrics", "/healthz", "/readyz", "/nothing")
HOSTILE = "</title><script>alert(1)</script><img src=//evil.example onerror=x>\x1b[2J\u202e" + "long" * 5_000


@cache
def a_calm_look() -> DecisionRecord:
    return a_look()


@cache
def a_hostile_look() -> DecisionRecord:
    """A reason, a node's note and a feed's reason that others wrote."""
    record = replace(a_calm_look(), summary=HOSTILE)
    return replace(record, nodes=tuple(replace(node, note=HOSTILE) for node in record.nodes))


def asked(path: str = "/", record: DecisionRecord | None = None, **more: str) -> httpx.Response:
    shown = record if record is not None else a_calm_look()
    reading = a_reading(shown, pending=(a_pending_transaction(),))
    return answer(site(lambda: reading, daemon_after([shown])), path, **more)


class Markup(HTMLParser):
    """What the page would fetch and run, and its elements."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.attributes: set[str] = set()
        self.scripts = 0
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.attributes |= {name for name, _ in attrs}
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_frames_foreign_content_and_keeping(path: str) -> None:
    headers = asked(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["connection"] == "close"
    assert "set-cookie" not in headers
    assert "server" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "MOVE"])
def test_nothing_but_reading_is_answered(method: str) -> None:
    for path in PATHS:
        refused = asked(path, method=method)
        assert refused.status_code == 405
        assert refused.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_name_is_refused_on_every_path(path: str) -> None:
    refused = asked(path, host="rebound.example")
    assert refused.status_code == 421
    assert "keeper_nav" not in refused.text


def test_a_configured_name_is_answered() -> None:
    named = site(lambda: a_reading(a_calm_look()), DaemonState(), "keeper")
    assert answer(named, "/healthz", host="keeper:9188").status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_head_request_has_the_same_status(path: str) -> None:
    assert asked(path, method="HEAD").status_code == asked(path).status_code


def test_the_page_fetches_its_own_files_only_and_has_no_inline_code_or_style() -> None:
    markup = Markup(asked().text)
    assert set(markup.fetched) == {"/icon.svg", "/page.css", "/page.js", "#content"}
    assert markup.scripts == 1
    assert "style" not in markup.attributes
    assert not [name for name in markup.attributes if name.startswith("on")]
    for path in ("/page.css", "/page.js", "/icon.svg"):
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", asked(path).text)


def test_text_of_others_is_escaped_printable_and_of_bounded_length() -> None:
    text = asked(record=a_hostile_look()).text
    markup = Markup(text)
    assert markup.scripts == 1
    assert "//evil.example" not in markup.fetched
    assert "&lt;script&gt;" in text
    assert "\\x1b[2J\\u202e" in text
    assert text.isprintable() or set(filter(lambda it: not it.isprintable(), text)) == {"\n"}
    assert len(text) < len(asked().text) + 40_000


class Broken(Pages):
    """Pages with a defect."""

    def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        raise ZeroDivisionError("a secret")


def test_a_defect_is_logged_and_shows_nothing_of_itself() -> None:
    broken = application(Broken(DaemonState, lambda: LATER), None, ())
    with structlog.testing.capture_logs() as lines:
        refused = answer(broken, "/metrics")
    assert refused.status_code == 500
    assert "secret" not in refused.text
    assert refused.headers["x-frame-options"] == "DENY"
    assert [(line["event"], line["path"]) for line in lines] == [("request_failed", "/metrics")]


def test_without_a_status_page_only_metrics_and_health_are_served() -> None:
    bare = application(Pages(DaemonState, lambda: LATER), None, ())
    assert [answer(bare, path).status_code for path in ("/", "/page.css", "/metrics")] == [404, 404, 200]


def test_a_path_cannot_leave_the_files_of_the_page() -> None:
    for path in ("/../keeper.toml", "/%2e%2e/page.html", "/page.html", "/page.css/../../x"):
        assert asked(path).status_code == 404

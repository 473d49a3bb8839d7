"""A real browser: nothing serious for axe-core, nothing cut off, nothing from elsewhere, and the keyboard is enough."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from keeper.domain.errors import JournalMissing
from keeper.web.listener import serving
from keeper.web.reading import JournalReading
from tests.factories import NOW
from tests.web.answers import site
from tests.web.readings import a_pending_transaction, a_reading
from tests.web.scene import a_look, daemon_after, some_looks

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"desktop": (1_280, 900), "phone": (390, 844)}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
DARK_PAPER = "rgb(20, 23, 27)"
UPDATE_MS = 31_000

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to look at the page"),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not in node_modules: npm ci"),
]


@dataclass
class Keeper:
    """What the page reads; a test may change it."""

    reading: JournalReading | None
    """None: there is no journal."""
    port: int = 0

    def __call__(self) -> JournalReading:
        if self.reading is None:
            raise JournalMissing("there is no journal", remedy="Start the keeper.")
        return self.reading


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def looks() -> dict[str, JournalReading]:
    calm = list(some_looks(8))[::-1]
    return {
        "calm": a_reading(*calm),
        "emergency": a_reading(a_look(8, fall=0.5), *calm, pending=(a_pending_transaction(),)),
    }


@pytest.fixture
def keeper(looks: dict[str, JournalReading]) -> Iterator[Keeper]:
    made, hours = Keeper(looks["calm"]), count(step=3_600.0)
    with serving(
        site(made, daemon_after(looks["calm"].records[::-1]), monotonic=hours.__next__), "127.0.0.1", 0
    ) as made.port:
        yield made


def opened(browser: Browser, keeper: Keeper) -> Page:
    page = browser.new_context().new_page()
    page.clock.install(time=NOW)
    page.goto(f"http://127.0.0.1:{keeper.port}/")
    return page


def violations(page: Page) -> list[Any]:
    """What axe-core finds, of any weight."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(it => it.violations.map(v => [v.id, v.impact, v.nodes[0].html]))")
    assert isinstance(found, list)
    return found


def test_the_page_is_accessible_whole_and_on_its_own(
    browser: Browser, keeper: Keeper, looks: dict[str, JournalReading]
) -> None:
    """An emergency on every size and scheme, and the other looks once: what differs between them is only text."""
    keeper.reading = looks["emergency"]
    page = browser.new_context().new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"http://127.0.0.1:{keeper.port}/")
    page.evaluate("document.querySelectorAll('details').forEach((it, place) => { it.open = place < 2 })")
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == [], (size, scheme)
            dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == DARK_PAPER
            assert dark == (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert {url.partition(f":{keeper.port}")[0] for url in asked} == {"http://127.0.0.1"}
    assert said == []
    assert page.context.cookies() == []
    page.context.close()


def test_a_page_without_a_journal_is_accessible_too(browser: Browser, keeper: Keeper) -> None:
    keeper.reading = None
    page = opened(browser, keeper)
    assert page.get_by_role("heading", name="JournalMissing").is_visible()
    assert violations(page) == []
    page.context.close()


def test_the_keyboard_reaches_and_unfolds_the_gates(browser: Browser, keeper: Keeper) -> None:
    page = opened(browser, keeper)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.decisions') !== null"):
            break
    page.keyboard.press("Enter")
    assert page.locator(".decisions details[open] table").first.is_visible()
    page.context.close()


def test_an_update_keeps_what_is_unfolded_and_can_be_paused(
    browser: Browser, keeper: Keeper, looks: dict[str, JournalReading]
) -> None:
    page = opened(browser, keeper)
    first = page.locator(".decisions details").first
    first.locator("summary").click()
    name = first.get_attribute("id")
    keeper.reading = looks["emergency"]
    page.get_by_role("button", name="Pause updates").click()
    page.clock.run_for(UPDATE_MS)
    assert page.get_by_text("EMERGENCY: RIPCORD SENT").count() == 0
    with page.expect_response("**/"):
        page.get_by_role("button", name="Resume updates").click()
    page.get_by_text("EMERGENCY: RIPCORD SENT").first.wait_for()
    assert page.locator(f"#{name}").get_attribute("open") is not None
    page.context.close()


def test_a_keeper_that_is_gone_is_told_beside_the_old_numbers(
    browser: Browser, looks: dict[str, JournalReading]
) -> None:
    gone = Keeper(looks["calm"])
    with serving(site(gone), "127.0.0.1", 0) as gone.port:
        page = opened(browser, gone)
    page.clock.run_for(UPDATE_MS)
    page.get_by_text("The keeper does not answer.").wait_for()
    assert page.get_by_text("Leverage").first.is_visible()
    page.context.close()

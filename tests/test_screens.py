"""Every page in a real browser: no violation of accessibility, nothing cut off, and its pictures.

`SCREENS=all` keeps pictures of every page in both languages, light and dark, on a phone and at a desk, under
var/screens. Without it no picture is taken, and dark colours are judged on the customer's pages alone: the
desk is made of the same parts.
"""

import os
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.fixtures.browser import SCHEMES, SCREENS
from tests.fixtures.everything import Everything, Walk

ALL: Final = os.environ.get("SCREENS") == "all"
WIDTHS: Final = {"desktop": 1280, "phone": 360}
# What differs between light and dark is only colours.
COLOURS: Final[dict[str, Any]] = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
VIOLATIONS: Final[dict[str, Any]] = {"resultTypes": ["violations"]}
AXE: Final = Axe()
OVERLAPS: Final = """() => {
  const shared = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const lines = "main tbody > tr, main tfoot > tr, .side, .who, .public > header, .between, .top";
  return [...document.querySelectorAll(lines)].filter(line => {
    const parts = [...line.children].filter(part => part.innerText.trim());
    const boxes = parts.map(part => part.getBoundingClientRect());
    return boxes.some((a, at) => boxes.slice(at + 1).some(b => shared(a, b)));
  }).map(line => line.innerText.slice(0, 100));
}"""
# Only the beginning is pictured: all of it is longer than a picture may be.
ENDLESS: Final = frozenset({"/docs"})


def windows(browser: Browser, walk: Walk, language: str) -> dict[str, Page]:
    """A window for each reader, signed in as in the walk."""
    found: dict[str, Page] = {}
    for name, client in walk.readers.items():
        url = walk.everything.url
        context = browser.new_context(base_url=url, reduced_motion="reduce", locale=language)
        cookie = client.get_cookie("tegoed")
        if cookie is not None:
            context.add_cookies([{"name": "tegoed", "value": cookie.value, "url": url}])
        found[name] = context.new_page()
        found[name].set_default_timeout(60_000)
    return found


def faults(page: Page, address: str) -> list[str]:
    """What axe-core finds on a page that was just opened; each with its first place."""
    return _told(AXE.run(page, options=VIOLATIONS).response, address)


def faults_of_colour(page: Page, address: str) -> list[str]:
    """The same for its colours as they are now, by the axe-core that the page has already."""
    return _told(page.evaluate("options => axe.run(document, options)", VIOLATIONS | COLOURS), address)


def overlaps(page: Page) -> list[str]:
    """Rows whose cells, and lines whose parts, lie over each other."""
    found: list[str] = page.evaluate(OVERLAPS)
    return found


def _told(response: dict[str, Any], address: str) -> list[str]:
    found = response["violations"]
    return [f"{address}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize("everything", ["nl", "en"] if ALL else ["nl"], indirect=True)
def test_every_page_can_be_read_by_everybody(
    everything: Everything, browser: Browser, request: pytest.FixtureRequest
) -> None:
    language = request.node.callspec.params["everything"]
    walk = Walk(everything)
    walk.readers["anonymous"].environ_base["HTTP_ACCEPT_LANGUAGE"] = language
    wrong: list[str] = []
    opened = windows(browser, walk, language)
    for page in opened.values():
        page.on("pageerror", lambda error: wrong.append(str(error)))
    for visit in walk.visits():
        page = opened[visit.reader]
        page.set_viewport_size({"width": WIDTHS["phone"], "height": 900})
        page.goto(visit.address)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > WIDTHS["phone"]:
            wrong.append(f"{visit.address} is {wide} px wide on {WIDTHS['phone']} px")
        wrong += [f"{visit.address}: {line!r} lies over itself" for line in overlaps(page)]
        wrong += faults(page, visit.address)
        if ALL or visit.reader == "customer":
            page.emulate_media(color_scheme="dark")
            wrong += faults_of_colour(page, f"{visit.address}, dark")
            page.emulate_media(color_scheme="light")
        if ALL:
            keep(page, f"{visit.name[:60]}-{language}", whole=visit.address not in ENDLESS)
    for page in opened.values():
        page.context.close()
    assert not wrong, "\n".join(wrong)


def keep(page: Page, name: str, *, whole: bool) -> None:
    """Pictures of a page as it stands, in every light and width."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for place, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=SCREENS / f"{name}-{place}-{scheme}.png", full_page=whole)
    page.emulate_media(color_scheme="light")

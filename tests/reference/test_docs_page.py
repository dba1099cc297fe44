"""The reference as a page: every route on it, in our own look, nothing from elsewhere, both languages."""

import re
from typing import Any, Final, Literal

from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

LOOKS: Final[tuple[tuple[Literal["light", "dark"], int], ...]] = (("light", 1280), ("dark", 360))


def test_every_route_stands_on_the_page_with_its_problems(client: FlaskClient) -> None:
    document: Any = client.get("/v1/openapi.json").json
    page = client.get("/docs").text
    for path, operations in document["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in operations.values():
            assert f'id="{operation["operationId"]}"' in page
    assert "idempotency_key_required" in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_the_frame_is_in_the_readers_language(client: FlaskClient) -> None:
    for language, heading in (("nl", "API-documentatie"), ("en", "API documentation")):
        page = client.get("/docs", headers={"Accept-Language": language}).text
        assert f'<html lang="{language}">' in page
        assert heading in page


def test_the_page_in_a_real_browser(app: Flask, page: Page) -> None:
    page.goto("/docs")
    page.get_by_role("link", name="Read a customer's balance").click()
    expect(page.locator("#read_balance")).to_be_in_viewport()
    expect(page.locator("#read_balance")).to_contain_text("/v1/customers/{reference}/balance")
    # The whole page is long, and alike all over: axe looks at its frame and at two of its routes.
    parts = {"include": [["header"], [".contents"], ["#read_balance"], ["#take_events"]]}
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page, context=parts)
        assert found.violations_count == 0, found.generate_report()

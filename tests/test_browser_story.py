"""A demo customer's afternoon, in a real browser: sign in, top up, read the invoice, in two languages."""

import csv
import io
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from app.config import Settings
from app.demo.cast import CUSTOMERS, PASSWORD
from app.demo.load import load
from app.demo.replay import TRACE
from tests.fixtures.outside import Sandbox, eventually


@pytest.fixture
def loaded(app: Flask, demo_settings: Settings, sandbox: Sandbox) -> None:
    """The demo's months are lived through before the web server starts."""
    load(app, demo_settings)


def price_of_the_replay(path: Path = TRACE) -> Decimal:
    """Net per line in cents, then VAT: by plain decimal, from the file, with none of the product's code."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    million, cent = Decimal(1_000_000), Decimal("0.01")
    prompt = sum(Decimal(row["ContextTokens"]) for row in rows) / million
    generated = sum(Decimal(row["GeneratedTokens"]) for row in rows) / million
    lines = [min(prompt, Decimal(10)) * 2, max(prompt - 10, Decimal(0)) * Decimal("1.5"), generated * 12]
    lines.append(len(rows) * Decimal("0.001"))
    net = sum((line.quantize(cent, ROUND_HALF_UP) for line in lines), Decimal(0))
    return net + (net * Decimal("0.21")).quantize(cent, ROUND_HALF_UP)


def euros(text: str) -> Decimal:
    return Decimal(text.replace("€", "").replace("\u00a0", "").replace(".", "").replace(",", ".").strip())


def test_a_demo_customer_tops_up_sees_it_arrive_and_downloads_last_months_invoice(
    loaded: None, page: Page, run_jobs: Callable[..., int]
) -> None:
    page.goto("/")
    page.locator("input[name=email]").fill(CUSTOMERS[0].person.email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    expect(page.get_by_role("heading", name="Overzicht", level=1)).to_be_visible()
    amount = page.locator('[data-part="balance"] .amount')
    before = euros(amount.inner_text())

    # Top up €25 with iDEAL at Mollie's checkout.
    page.get_by_role("link", name="Nu opwaarderen").click()
    page.get_by_role("textbox", name="Bedrag").fill("25,00")
    page.get_by_label("iDEAL | Wero").check()
    page.get_by_role("button", name="Nu opwaarderen").click()
    page.locator("#status-paid").click()
    page.wait_for_url("**/top-up/tu_*")
    expect(page.get_by_role("main")).to_contain_text("€\u00a025,00")

    def arrived() -> bool:
        # The webhook comes a moment after the payer; its job looks at Mollie.
        run_jobs()
        page.goto("/overview")
        return euros(amount.inner_text()) == before + 25

    eventually(arrived)

    # The same pages in English.
    page.get_by_role("button", name="EN, English").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    page.get_by_role("link", name="Invoices").first.click()
    row = page.get_by_role("row").filter(has_text="53.07")
    with page.expect_download() as download:
        row.get_by_role("link", name="PDF").click()
    words = " ".join(
        pdf_page.extract_text()
        for pdf_page in PdfReader(io.BytesIO(Path(download.value.path()).read_bytes())).pages
    )
    assert price_of_the_replay() == Decimal("53.07")
    assert "53,07" in words
    assert "Factuur" in words

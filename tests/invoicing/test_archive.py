"""A year's documents in one file: as they were sent, and only one's own."""

import io
import zipfile

from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.invoicing.test_payments import signed_in


def closed(shop: Shop, reference: str) -> str:
    shop.customer(reference)
    shop.top_up(reference, 60)
    shop.use_42_40(reference)
    return reference


def test_a_year_holds_the_stored_files_and_nobody_elses(shop: Shop) -> None:
    for reference in ("acme", "other"):
        closed(shop, reference)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.run_jobs()
    number = shop.invoice("acme").number
    browser = signed_in(shop)
    assert 'href="/invoices/2026.zip"' in browser.get("/invoices").text
    answer = browser.get("/invoices/2026.zip", buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert sorted(archive.namelist()) == [f"{number}.pdf", f"{number}.xml"]
        assert archive.read(f"{number}.pdf") == browser.get(f"/invoices/{number}.pdf").data
    assert browser.get("/invoices/2025.zip").status_code == 404
    assert browser.get("/invoices/99999.zip").status_code == 404
    assert shop.app.test_client().get("/invoices/2026.zip").location.startswith("/sign-in")

"""The coming invoice at any time, itemised usage by link, and credits on the customer's own pages."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

from app.db import db, in_unit_of_work
from invoicing.billing_terms import set_terms
from tests.fixtures.shop import AFTER_OCTOBER, IN_OCTOBER, Shop
from tests.invoicing.test_payments import hidden, signed_in

UPCOMING = "/v1/customers/acme/invoices/upcoming"


def euro(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


def test_a_preview_is_the_invoice_that_would_be_issued_now_and_changes_nothing(shop: Shop) -> None:
    shop.customer("acme")
    nothing = shop.api.get(UPCOMING)
    assert (nothing.status_code, nothing.get_json()["code"]) == (404, "nothing_to_invoice")
    shop.top_up("acme", 30)
    shop.grant("acme", 5)
    shop.use_42_40("acme")
    before = shop.balance("acme")
    draft = shop.api.get(UPCOMING).get_json()
    assert (draft["number"], draft["status"], draft["payment_reference"]) == (None, "preview", None)
    assert shop.balance("acme") == before
    assert shop.invoices("acme") == []
    shop.clock.travel_to(AFTER_OCTOBER)
    # The month is over and not closed: it is still the coming invoice.
    assert shop.api.get(UPCOMING).get_json()["period"] == draft["period"]
    shop.close()
    issued = shop.api.get(f"/v1/invoices/{shop.invoice('acme').number}").get_json()
    same = ("lines", "discount", "taxes", "total", "credits_used", "prepaid", "amount_due", "due_date")
    assert {key: draft[key] for key in same} == {key: issued[key] for key in same}
    assert shop.api.get(UPCOMING).status_code == 404


def test_a_preview_falls_due_by_the_term_that_was_agreed_for_usage(shop: Shop) -> None:
    acme = shop.customer("acme")
    in_unit_of_work(set_terms, acme, "usage", {"term_days": 45})
    in_unit_of_work(set_terms, acme, "subscription", {"term_days": 3})
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    draft = shop.api.get(UPCOMING).get_json()
    assert draft["due_date"] == "2026-12-16"
    shop.close()
    issued = shop.api.get(f"/v1/invoices/{shop.invoice('acme').number}").get_json()
    assert issued["due_date"] == draft["due_date"]


def test_a_preview_counts_credits(shop: Shop) -> None:
    shop.customer("acme", locale="en")
    shop.top_up("acme", 60)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    number = shop.invoice("acme").number
    body = {"reason": "Outage", "amount": euro("12.10")}
    shop.api.post(f"/v1/invoices/{number}/credit", json=body, headers={"Idempotency-Key": "x"})
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=20))
    shop.use_42_40("acme", at=AFTER_OCTOBER.replace(day=19))
    draft = shop.api.get(UPCOMING).get_json()
    assert (draft["credits_used"], draft["amount_due"]) == (euro("12.10"), euro("12.70"))
    shown = shop.runner.invoke(args=["invoicing", "preview", "--customer", "acme"])
    assert "€12.70  due" in shown.output
    db.session.rollback()
    client = signed_in(shop)
    page = client.get("/invoices/upcoming").text.replace("\xa0", " ")
    for text in ("Coming invoice", "Prompt tokens", "Settled with credits", "€42.40", "€12.70"):
        assert text in page
    listed = client.get("/invoices").text
    assert "€12.10 in credits" in listed.replace("\xa0", " ")
    form = {"csrf_token": hidden(listed, "csrf_token"), "move_key": hidden(listed, "move_key")}
    for _ in range(2):
        answer = client.post("/invoices/credits/move", data=form, follow_redirects=True).text
        assert "€12.10 has been moved to your balance." in answer.replace("\xa0", " ")
    assert shop.balance("acme").credits_micros == 0
    assert "in credits" not in client.get("/invoices").text
    page = client.get(f"/invoices/{number}").text.replace("\xa0", " ")
    assert "€12.10 credited by C2026-000001: Outage" in page


def test_a_viewer_moves_no_credits(shop: Shop) -> None:
    shop.customer("acme")
    client = signed_in(shop, "viewer")
    form = {"csrf_token": hidden(client.get("/invoices").text, "csrf_token"), "move_key": "x"}
    assert client.post("/invoices/credits/move", data=form).status_code == 403


def test_nothing_used_has_a_page_that_says_so(shop: Shop) -> None:
    shop.customer("acme")
    assert "There is nothing to invoice yet." in signed_in(shop).get("/invoices/upcoming").text


def test_itemised_usage_adds_up_to_what_was_debited_for_the_invoice(shop: Shop) -> None:
    shop.customer("acme", locale="en")
    shop.use("acme", requests=7, prompt=9_000_001, generated=700)
    shop.use("acme", prompt=100, at=IN_OCTOBER.replace(day=2))
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.use("acme", prompt=5, at=datetime(2026, 11, 1, 1, tzinfo=UTC))
    shop.close()
    number = shop.invoice("acme").number
    answer = shop.api.get(f"/v1/invoices/{number}.csv")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{number}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert {row["id"] for row in rows} == {f"event-{n}" for n in range(1, 9)}
    charged = sum(Decimal(row["charge"]) for row in rows)
    assert abs(charged - Decimal(shop.invoice("acme").total_cents) / 100) < Decimal("0.02")
    client = signed_in(shop)
    assert client.get(f"/invoices/{number}.csv").data == answer.data
    assert f"/invoices/{number}.csv" in client.get(f"/invoices/{number}").text
    assert shop.api.get("/v1/invoices/F2026-999999.csv").status_code == 404


def test_an_operator_credits_by_command_once_per_key(shop: Shop) -> None:
    shop.customer("acme")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    number = shop.invoice("acme").number
    command = ["invoicing", "credit", number, "--reason", "Outage", "--amount", "10.00", "--key", "ticket-1"]
    for _ in range(2):
        assert shop.runner.invoke(args=command).output.strip() == "C2026-000001"
        db.session.rollback()
    refused = shop.runner.invoke(args=[*command[:-3], "100.00"])
    assert refused.exit_code == 1
    assert "more than is left" in refused.output
    assert shop.balance("acme").receivable_micros == 32_400_000

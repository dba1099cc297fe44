"""Issued documents: stored once, mailed once, read by the API and on the customer's own pages."""

import hashlib

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.db import db
from invoicing import documents, service
from invoicing.documents import DocumentDamaged
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, Shop


def closed(shop: Shop, locale: str = "nl", euros: float = 30) -> str:
    shop.customer("acme", locale=locale, vat_number="NL123456782B90")
    shop.top_up("acme", euros)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    return shop.invoice("acme").number


def attached(smtp: Mailbox) -> list[str | None]:
    return [part.get_filename() for message in smtp.messages for part in message.iter_attachments()]


def test_the_pdf_answers_409_until_it_is_stored_and_then_never_changes(shop: Shop, smtp: Mailbox) -> None:
    number = closed(shop)
    early = shop.api.get(f"/v1/invoices/{number}.pdf")
    assert (early.status_code, early.get_json()["code"]) == (409, "rendering")
    assert attached(smtp) == []
    shop.run_jobs()
    first = shop.api.get(f"/v1/invoices/{number}.pdf")
    assert (first.status_code, first.mimetype) == (200, "application/pdf")
    assert first.data.startswith(b"%PDF")
    assert first.headers["ETag"].strip('"') == hashlib.sha256(first.data).hexdigest()
    assert service.render(number) is False
    assert shop.api.get(f"/v1/invoices/{number}.pdf").data == first.data


@pytest.mark.parametrize(
    ("locale", "subject", "sentence"),
    [
        ("nl", "Je factuur F2026-000001 staat klaar", "Betaal"),
        ("en", "Invoice F2026-000001 is ready", "Please pay €12.40 before 15 November 2026."),
    ],
)
def test_the_invoice_is_mailed_once_with_its_pdf_in_the_customers_language(
    shop: Shop, smtp: Mailbox, locale: str, subject: str, sentence: str
) -> None:
    number = closed(shop, locale)
    shop.run_jobs()
    shop.close()
    service.render(number)
    shop.run_jobs()
    (message,) = [message for message in smtp.messages if number in message["subject"]]
    assert (message["subject"], message["to"]) == (subject, "acme@example.nl")
    body = message.get_body(("plain",))
    assert body is not None
    assert sentence in body.get_content().replace("\xa0", " ")
    pdf, xml = message.iter_attachments()
    assert (pdf.get_filename(), xml.get_filename()) == (f"{number}.pdf", f"{number}.xml")
    assert pdf.get_content().startswith(b"%PDF")
    assert xml.get_content_type() == "application/xml"
    assert xml.get_content() == shop.api.get(f"/v1/invoices/{number}.xml").data


def test_a_lost_queue_loses_no_document_and_no_mail(shop: Shop, smtp: Mailbox) -> None:
    closed(shop)
    shop.app.extensions["redis"].flushall()
    shop.run_jobs()
    assert attached(smtp) == []
    shop.clock.travel_to(AFTER_OCTOBER.replace(hour=7))
    from invoicing import jobs

    jobs.render_missing()
    shop.run_jobs()
    assert attached(smtp) == ["F2026-000001.pdf", "F2026-000001.xml"]


def test_stored_bytes_that_were_changed_are_not_handed_out(shop: Shop) -> None:
    number = closed(shop)
    shop.run_jobs()
    db.session.rollback()
    with psycopg.connect(shop.app.extensions["settings"].owner_database_url) as owner:
        owner.execute("UPDATE invoice_document SET content = '%PDF something else' WHERE kind = 'pdf'")
    db.session.expire_all()
    with pytest.raises(DocumentDamaged):
        documents.find(service.find(number))


FROZEN = [
    "UPDATE invoice SET total_cents = 1",
    "UPDATE invoice SET buyer = '{}'",
    "UPDATE invoice SET number = 'F2026-000002'",
    "DELETE FROM invoice",
    "UPDATE invoice_line SET net_cents = 1",
    "DELETE FROM invoice_line",
    "UPDATE invoice_tax SET vat_cents = 1",
    "DELETE FROM invoice_tax",
    "UPDATE invoice_document SET content = ''",
    "DELETE FROM invoice_document",
    "DELETE FROM invoice_number",
    "UPDATE allocation SET amount_micros = 1",
    "TRUNCATE invoice CASCADE",
]


def test_the_applications_role_cannot_change_what_was_issued(shop: Shop) -> None:
    closed(shop)
    shop.run_jobs()
    for statement in FROZEN:
        with pytest.raises(ProgrammingError, match="permission denied"):
            db.session.execute(text(statement))
        db.session.rollback()
    db.session.execute(text("UPDATE invoice SET settled_micros = settled_micros, settled_at = settled_at"))
    db.session.rollback()


def test_the_api_gives_the_agreed_shape(shop: Shop) -> None:
    number = closed(shop)
    found = shop.api.get(f"/v1/invoices/{number}").get_json()

    def euro(value: str) -> dict[str, str]:
        return {"value": value, "currency": "EUR"}

    expected = {
        "number": number,
        "kind": "invoice",
        "status": "open",
        "period": {"start": "2026-10-01", "end": "2026-11-01"},
        "currency": "EUR",
        "locale": "nl",
        "discount": euro("0.00"),
        "taxes": [{"category": "S", "rate": "21.00", "taxable": euro("35.04"), "amount": euro("7.36")}],
        "total": euro("42.40"),
        "credits_used": euro("0.00"),
        "prepaid": euro("30.00"),
        "amount_due": euro("12.40"),
        "outstanding": euro("12.40"),
    }
    assert {key: found[key] for key in expected} == expected
    first = found["lines"][0]
    assert (first["name"], first["unit"], first["quantity"]) == ("Prompttokens", "token", "10000000")
    assert (first["unit_amount"], first["price_per"], first["amount"]) == (
        "0.000002",
        1_000_000,
        euro("20.00"),
    )
    assert first["tier"] == {"above": "0", "up_to": "10000000"}


def test_lists_filter_by_customer_status_kind_and_period_and_go_on_from_a_cursor(shop: Shop) -> None:
    for reference in ("acme", "bravo", "carol"):
        shop.customer(reference)
        shop.use_42_40(reference)
    shop.top_up("bravo", 100)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()

    def numbers(query: str) -> list[str]:
        answer = shop.api.get(f"/v1/invoices{query}")
        assert answer.status_code == 200, answer.get_json()
        return [invoice["customer"] for invoice in answer.get_json()["data"]]

    assert sorted(numbers("")) == ["acme", "bravo", "carol"]
    assert numbers("?customer=bravo") == ["bravo"]
    assert numbers("?status=paid") == ["bravo"]
    assert sorted(numbers("?status=open,overdue&period=2026-10&kind=invoice")) == ["acme", "carol"]
    assert numbers("?period=2026-09") == []
    assert numbers("?kind=credit_note") == []
    first = shop.api.get("/v1/invoices?limit=2").get_json()
    rest = shop.api.get(f"/v1/invoices?limit=2&cursor={first['next_cursor']}").get_json()
    assert rest["next_cursor"] is None
    pages = [invoice["customer"] for invoice in first["data"] + rest["data"]]
    assert sorted(pages) == ["acme", "bravo", "carol"]
    assert [i["customer"] for i in shop.api.get("/v1/customers/carol/invoices").get_json()["data"]] == [
        "carol"
    ]


REFUSED = [
    ("/v1/invoices/F2026-999999", 404, "unknown_invoice"),
    ("/v1/invoices/F2026-999999.pdf", 404, "unknown_invoice"),
    ("/v1/invoices?status=late", 422, "invalid_request"),
    ("/v1/invoices?kind=receipt", 422, "invalid_request"),
    ("/v1/invoices?period=2026-13", 422, "invalid_period"),
    ("/v1/invoices?cursor=x", 422, "invalid_request"),
    ("/v1/invoices?cursor=F2026-999999", 404, "unknown_invoice"),
    ("/v1/invoices?customer=nobody", 404, "unknown_customer"),
    ("/v1/customers/nobody/invoices", 404, "unknown_customer"),
]


def test_bad_requests_are_refused_with_a_code(shop: Shop) -> None:
    for path, status, code in REFUSED:
        answer = shop.api.get(path)
        assert (path, answer.status_code, answer.get_json()["code"]) == (path, status, code)


def test_nobody_reads_invoices_without_a_key(shop: Shop) -> None:
    for path in ("/v1/invoices", "/v1/invoices/F2026-000001", "/v1/invoices/F2026-000001.pdf"):
        assert shop.app.test_client().get(path).status_code == 401


def test_an_open_invoice_becomes_overdue_after_its_due_date(shop: Shop) -> None:
    number = closed(shop)
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=15, hour=20))
    assert shop.api.get(f"/v1/invoices/{number}").get_json()["status"] == "open"
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=16))
    assert shop.api.get(f"/v1/invoices/{number}").get_json()["status"] == "overdue"
    assert [due.status for due in service.due(shop.customers["acme"])] == ["overdue"]

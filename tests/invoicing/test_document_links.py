"""Whoever was sent a document reads and pays it without an account, and learns nothing else by its link."""

import re
from dataclasses import replace
from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.customers import addressees
from app.db import db, in_unit_of_work
from invoicing import document_links, document_views
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.invoicing.test_addressees import plain


@pytest.fixture
def acme(shop: Shop) -> Shop:
    """October is invoiced: €42.40, of which €12.40 is due."""
    customer_id = shop.customer("acme", locale="nl")
    shop.top_up("acme", 30)
    facts = {"email": "boek@houder.nl", "delivery": "notice"}
    in_unit_of_work(addressees.add, customer_id, facts)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.run_jobs()
    return shop


@pytest.fixture
def reader(acme: Shop) -> FlaskClient:
    return acme.app.test_client()


def mailed(smtp: Mailbox) -> str:
    """The path that the notice names."""
    (notice,) = [one for one in smtp.messages if one["To"] == "boek@houder.nl"]
    assert list(notice.iter_attachments()) == []
    found = re.search(r"https?://[^/\s]+(/documents/\S+)", plain(notice))
    assert found is not None
    return found[1]


def shown(reader: FlaskClient, path: str) -> str:
    answer = reader.get(path, headers={"Accept-Language": "nl"})
    assert answer.status_code == 200
    return unescape(answer.text).replace("\xa0", " ")


def presses_pay(reader: FlaskClient, page: str, base_url: str = "http://localhost") -> TestResponse:
    """A browser sends no referrer from here."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    action = re.search(r'action="(/documents/[^"]+)"', page)
    assert token is not None
    assert action is not None
    return reader.post(action[1], data={"csrf_token": token[1]}, base_url=base_url)


def test_the_notice_leads_to_the_document_its_files_and_its_payment(
    acme: Shop, reader: FlaskClient, smtp: Mailbox
) -> None:
    path = mailed(smtp)
    answer = reader.get(path, headers={"Accept-Language": "en"})
    page = shown(reader, path)
    for said in ("Factuur F2026-000001", "€ 12,40 betalen", "€ 42,40", "15 november 2026", "Open"):
        assert said in page
    assert "Acme" not in page
    assert "example.nl" not in page
    pdf, xml = reader.get(f"{path}/document.pdf"), reader.get(f"{path}/document.xml")
    assert pdf.data.startswith(b"%PDF")
    assert b"F2026-000001" in xml.data
    for one in (answer, pdf, xml):
        assert one.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert one.headers["Referrer-Policy"] == "no-referrer"
    first, second = presses_pay(reader, page), presses_pay(reader, page)
    assert first.status_code == 302
    assert first.location == second.location
    assert "€ 12,40 betalen" in shown(reader, first.location)


def test_it_is_paid_over_https_too_where_no_referrer_is_sent(
    acme: Shop, reader: FlaskClient, smtp: Mailbox
) -> None:
    page = shown(reader, mailed(smtp))
    assert "/pay/pay_" in presses_pay(reader, page, "https://localhost").location


def test_a_reader_picks_another_language(acme: Shop, reader: FlaskClient, smtp: Mailbox) -> None:
    path = mailed(smtp)
    with reader.session_transaction() as session:
        session["locale"] = "en"
    assert "Invoice F2026-000001" in reader.get(path).text


def test_what_is_settled_asks_for_nothing(acme: Shop, reader: FlaskClient, smtp: Mailbox) -> None:
    path = mailed(smtp)
    body = {"reason": "Outage"}
    page = reader.get(path).text
    made = acme.api.post("/v1/invoices/F2026-000001/credit", json=body, headers={"Idempotency-Key": "a"})
    assert made.status_code == 201
    acme.run_jobs()
    assert "/pay" not in reader.get(path).text
    assert presses_pay(reader, page).location == path
    note = acme.invoices("acme")[-1]
    page = reader.get(f"/documents/{document_links.token_of(note)}").text
    assert "Creditfactuur C2026-000001" in page
    assert "/pay" not in page


def test_nobody_makes_up_a_link(acme: Shop, reader: FlaskClient, smtp: Mailbox) -> None:
    path = mailed(smtp)
    name, _, signature = path.rpartition("/")[2].partition(".")
    for token in (
        name,
        f"{name}.",
        f"{name}.{signature[:-2]}AA",
        f"F2026-000002.{signature}",
        f"{name}.{signature}.{signature}",
        "é.x",
    ):
        for rest in ("", "/document.pdf", "/document.xml", "/paid.pdf"):
            assert reader.get(f"/documents/{token}{rest}").status_code == 404, token + rest
    assert reader.get(f"{path}/paid.pdf").status_code in (404, 409)


def test_an_older_key_still_opens_what_it_signed(acme: Shop, reader: FlaskClient, smtp: Mailbox) -> None:
    path = mailed(smtp)
    known = acme.app.extensions["settings"]
    acme.app.extensions["settings"] = replace(known, secret_key="n" * 40)
    assert reader.get(path).status_code == 404
    acme.app.extensions["settings"] = replace(
        known, secret_key="n" * 40, secret_key_fallbacks=(known.secret_key,)
    )
    assert reader.get(path).status_code == 200
    db.session.rollback()


def test_who_asks_too_often_waits(
    acme: Shop, reader: FlaskClient, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mailed(smtp)
    monkeypatch.setattr(document_views, "VIEWS_A_MINUTE", 2)
    assert [reader.get(path).status_code for _ in range(3)] == [200, 200, 429]

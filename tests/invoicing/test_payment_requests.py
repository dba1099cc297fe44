"""Payment requests: what is due is asked for first, and invoiced in the transaction that settles it, once."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from flask import g
from flask_babel import lazy_gettext
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.config import Settings, SettingsError
from app.db import db, in_unit_of_work, unit_of_work
from app.document_names import document_text, document_title, is_request_name
from app.i18n import in_locale
from app.ledger import service as ledger
from app.ledger.sides import Posting, Side
from app.portal import navigation
from app.webhooks import service as webhooks
from invoicing import dunning_control, dunning_jobs, late_fee_claims, paying, service, write_offs
from invoicing.crediting import CreditWish
from invoicing.errors import NotIssuedYet, UnknownInvoice
from invoicing.exports.declared import Kind, declared_in
from invoicing.exports.quarters import Quarter
from invoicing.references import invoice_number_of, is_number, reference_of
from invoicing.shapes import payment_reference
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.receiver import Receiver
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop
from tests.invoicing.payers import AFTER_NOVEMBER, Payer, payer
from tests.invoicing.statements import paid, statement
from tests.invoicing.test_bank_import import read
from tests.invoicing.test_pdf import text_of
from tests.topups.at_once import at_once
from topups import service as topups
from topups.payment_body import description

QUARTER = Quarter(2026, 4)


@pytest.fixture
def asking(shop: Shop) -> Shop:
    """The provider issues invoices on payment."""
    environment = shop.app.extensions["settings"]
    shop.app.extensions["settings"] = replace(environment, issue_on="payment")
    return shop


@pytest.fixture
def acme(asking: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox) -> Payer:
    """Was asked for €42.40 for October."""
    return payer(asking, sandbox)


def pays(acme: Payer, name: str, euros: float | None = None, key: str = "one") -> topups.TopUp:
    wish = paying.PayWish(
        numbers=(name,),
        request_key=key,
        method="ideal",
        amount_micros=None if euros is None else round(euros * EURO),
    )
    payment = paying.pay(acme.shop.account("acme"), wish)
    db.session.rollback()
    acme.at_the_bank(payment, "paid")
    return payment


def declared() -> list[str]:
    db.session.rollback()
    return [row.number for row in declared_in(QUARTER)]


def test_a_close_asks_for_what_is_due_and_takes_no_number(acme: Payer) -> None:
    (request,) = acme.invoices
    assert request.is_request
    assert is_request_name(request.number)
    assert (request.total_cents, request.due_cents, request.vat_cents) == (4240, 4240, 736)
    assert acme.shop.balance("acme").receivable_micros == 42_400_000
    assert acme.shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert acme.shop.side("acme", Side.REVENUE) == 35_040_000
    assert declared() == []
    found = acme.shop.api.get(f"/v1/invoices/{request.number}").get_json()
    assert (found["kind"], found["status"]) == ("payment_request", "open")
    assert found["request_number"] == request.number


def test_where_nothing_is_due_the_invoice_is_issued_at_once(asking: Shop) -> None:
    asking.customer("acme")
    asking.top_up("acme", 50)
    asking.use_42_40("acme")
    asking.clock.travel_to(AFTER_OCTOBER)
    asking.close()
    assert asking.invoice("acme").number == "F2026-000001"
    assert asking.invoice("acme").request_number is None


def test_a_provider_who_chose_nothing_invoices_at_the_close(shop: Shop) -> None:
    shop.customer("acme")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    assert (shop.invoice("acme").number, shop.invoice("acme").request_number) == ("F2026-000001", None)


def test_the_money_makes_it_an_invoice_of_that_day_that_is_paid(acme: Payer) -> None:
    (request,) = acme.invoices
    name, reference = request.number, payment_reference(request)
    acme.shop.clock.travel_to(AFTER_OCTOBER.replace(day=9))
    pays(acme, name)

    (invoice,) = acme.invoices
    assert (invoice.number, invoice.request_number) == ("F2026-000001", name)
    assert invoice.issue_date.isoformat() == "2026-11-09"
    assert (invoice.outstanding_micros, invoice.paid_first_cents, invoice.asked_cents) == (0, 4240, 0)
    assert service.status_now(invoice) == "paid"
    assert acme.shop.balance("acme").receivable_micros == 0
    assert declared() == ["F2026-000001"]
    # What the customer was told at first still finds it.
    assert service.find(name).invoice_id == invoice.invoice_id
    assert payment_reference(service.find("F2026-000001")) == reference


def test_paper_and_mail_ask_first_and_say_paid_afterwards(acme: Payer, smtp: Mailbox, tmp_path: Path) -> None:
    acme.shop.run_jobs()
    (request,) = acme.invoices
    name = request.number
    paper = text_of(service.document(request).content, tmp_path)
    assert "Payment request" in paper
    assert "This is not an invoice." in paper
    assert "Invoice number" not in paper
    assert "Amount due €42.40" in paper
    with pytest.raises(NotIssuedYet):
        service.document(request, service.XML)
    (asked,) = smtp.messages
    assert asked["subject"] == f"Please pay €42.40: payment request {name}"
    assert [part.get_filename() for part in asked.iter_attachments()] == [f"{name}.pdf"]
    body = asked.get_body(("plain",))
    assert body is not None
    told = body.get_content()
    assert f"/documents/{name}." in told
    assert (payment_reference(request) or "")[:4] in told

    pays(acme, name)
    acme.shop.run_jobs()
    (invoice,) = acme.invoices
    paper = text_of(service.document(invoice).content, tmp_path)
    assert "F2026-000001" in paper
    assert "Paid on 1 November 2026 via iDEAL" in paper
    assert "Or transfer to" not in paper
    xml = service.document(invoice, service.XML).content.decode()
    assert '<cbc:PrepaidAmount currencyID="EUR">42.40</cbc:PrepaidAmount>' in xml
    assert '<cbc:PayableAmount currencyID="EUR">0.00</cbc:PayableAmount>' in xml
    assert "PaymentMeans" not in xml
    assert service.stored_kinds(invoice) == ["pdf", "xml", "request_pdf"]
    ready = next(one for one in smtp.messages if one["subject"] == "Invoice F2026-000001 is ready")
    assert [part.get_filename() for part in ready.iter_attachments()] == [
        "F2026-000001.pdf",
        "F2026-000001.xml",
    ]
    assert sum("F2026-000001" in one["subject"] for one in smtp.messages) == 1


def test_a_customer_reads_and_pays_it_among_the_invoices(acme: Payer) -> None:
    acme.shop.run_jobs()
    acme.shop.top_up("acme", 100)
    acme.signs_in()
    name = acme.numbers[0]
    assert f"Payment request {name} is open: please pay €42.40" in acme.get("/overview")
    listed = acme.get("/invoices")
    assert "€42.40 is to be paid." in listed
    assert "Payment request" in listed
    page = acme.get(f"/invoices/{name}")
    assert "This is not an invoice." in page
    assert acme.sends(page).status_code in (302, 303)
    (payment,) = acme.payments
    acme.at_the_bank(payment, "paid")
    assert acme.numbers == ["F2026-000001"]
    assert "Invoice F2026-000001" in acme.get(f"/invoices/{name}")
    assert acme.client is not None
    old = acme.client.get(f"/invoices/{name}/request.pdf")
    assert (old.status_code, old.data[:4]) == (200, b"%PDF")


def test_what_was_never_asked_for_has_no_request_to_download(asking: Shop) -> None:
    asking.customer("acme")
    asking.top_up("acme", 50)
    asking.use_42_40("acme")
    asking.clock.travel_to(AFTER_OCTOBER)
    asking.close()
    with pytest.raises(UnknownInvoice):
        service.document(asking.invoice("acme"), service.REQUEST_PDF)


def test_a_part_is_not_enough_and_the_rest_is(acme: Payer) -> None:
    name = acme.numbers[0]
    pays(acme, name, 20, key="part")
    assert acme.numbers == [name]
    pays(acme, name, key="rest")
    assert acme.numbers == ["F2026-000001"]
    assert acme.invoices[0].paid_first_cents == 4240


def test_a_bank_transfer_with_the_requests_reference_settles_and_issues_it(asking: Shop) -> None:
    asking.customer("acme", locale="en")
    asking.use_42_40("acme")
    asking.clock.travel_to(AFTER_OCTOBER)
    asking.close()
    name = asking.invoice("acme").number
    reference = payment_reference(asking.invoice("acme")) or ""
    assert invoice_number_of(reference) == name
    read(statement(paid("42.40", f"betaling {reference}")))
    assert asking.invoice("acme").number == "F2026-000001"
    # Somebody pays it again: that money is the customer's balance.
    read(statement(paid("42.40", f"nogmaals {name}", reference="second")))
    assert asking.balance("acme").prepaid_micros == 42_400_000


def test_credits_settle_and_issue_it(acme: Payer) -> None:
    pays(acme, acme.numbers[0])
    acme.uses_november_too()
    first, second = acme.invoices
    assert second.is_request
    in_unit_of_work(service.credit, CreditWish(number=first.number, reason="Too much", request_key="one"))
    assert sorted(acme.numbers) == ["C2026-000001", "F2026-000001", "F2026-000002"]
    invoice = service.find("F2026-000002")
    assert invoice.outstanding_micros == 0
    assert acme.shop.run_jobs() > 0
    assert "pdf" in service.stored_kinds(service.find("F2026-000002"))


def test_a_chargeback_opens_the_invoice_again_and_it_keeps_its_number(acme: Payer) -> None:
    name = acme.numbers[0]
    payment = pays(acme, name)
    acme.sandbox.control(
        f"payments/{payment.mollie_payment_id}/chargeback",
        {"amount": {"value": "42.40", "currency": "EUR"}, "code": "AM04"},
    )
    acme.shop.run_jobs()
    (invoice,) = acme.invoices
    assert (invoice.number, invoice.outstanding_micros) == ("F2026-000001", 42_400_000)
    assert acme.shop.balance("acme").receivable_micros == 42_400_000
    pays(acme, name, key="again")
    assert acme.numbers == ["F2026-000001"]
    assert acme.invoices[0].outstanding_micros == 0


def test_two_payments_at_once_issue_it_once(acme: Payer) -> None:
    name = acme.numbers[0]
    asked = [
        topups.request_top_up(
            acme.shop.account("acme"),
            42_400_000,
            request_key=f"key-{position}",
            method="ideal",
            purpose="invoice",
            invoice_number=name,
        ).top_up_id
        for position in range(2)
    ]
    db.session.rollback()

    def arrives(top_up_id: str) -> None:
        with unit_of_work():
            ledger.lock_balance(acme.customer_id)
            ledger.post(
                Posting(
                    customer_id=acme.customer_id,
                    kind="top_up",
                    debit=Side.PSP,
                    credit=Side.PREPAID,
                    amount_micros=42_400_000,
                    reference=f"topup-{top_up_id}-paid",
                )
            )
            service.money_arrived(acme.customer_id, top_up_id, 42_400_000)

    assert at_once(acme.shop.app, *(partial(arrives, one) for one in asked)) == []
    assert acme.numbers == ["F2026-000001"]
    assert acme.shop.balance("acme").prepaid_micros == 42_400_000


def test_a_transaction_that_dies_leaves_a_request_and_no_gap(acme: Payer) -> None:
    name = acme.numbers[0]

    def dies() -> None:
        service.credit(CreditWish(number=name, reason="Wrong", request_key="one"))
        raise RuntimeError("dies here")

    with pytest.raises(RuntimeError, match="dies here"):
        in_unit_of_work(dies)
    assert acme.numbers == [name]
    pays(acme, name)
    assert acme.numbers == ["F2026-000001"]


def test_what_is_credited_or_given_up_is_invoiced_first(acme: Payer) -> None:
    acme.uses_november_too()
    first, second = acme.numbers
    note = in_unit_of_work(
        lambda: service.credit(CreditWish(number=first, reason="Wrong", request_key="one")).original_number
    )
    assert note == "F2026-000001"
    in_unit_of_work(lambda: dunning_control.write_off(second, "Bankrupt").number)
    given_up = service.find(second)
    assert (given_up.number, service.status_now(given_up)) == ("F2026-000002", "uncollectible")
    assert given_up.asked_cents == 4240


def test_a_close_that_corrects_an_open_request_invoices_it_first(acme: Payer) -> None:
    """The credit note names an invoice, and what is still to be paid of that stays to be paid."""
    shop = acme.shop
    name = acme.numbers[0]
    answer = shop.api.post(
        "/v1/customers/acme/events/void",
        json={"source": "test", "id": "event-1"},
        headers={"Idempotency-Key": "v"},
    )
    assert answer.status_code == 200
    shop.clock.travel_to(AFTER_NOVEMBER)
    shop.close("2026-11")
    invoice, note = sorted(acme.invoices, key=lambda one: one.kind, reverse=True)
    assert (invoice.number, invoice.request_number) == ("F2026-000001", name)
    assert (note.number, note.original_number) == ("C2026-000001", "F2026-000001")
    assert invoice.issue_date == note.issue_date
    assert (invoice.asked_cents, invoice.outstanding_micros) == (4240, 42_400_000)


def test_a_waived_fee_that_was_all_that_was_left_issues_it(acme: Payer) -> None:
    name = acme.numbers[0]

    def late() -> None:
        ledger.lock_balance(acme.customer_id)
        late_fee_claims.charge(service.find(name), 1_500, basis="15", today=AFTER_OCTOBER.date())

    in_unit_of_work(late)
    pays(acme, name, 42.40)
    assert acme.numbers == [name]
    in_unit_of_work(late_fee_claims.waive, acme.customer_id, name, "Goodwill")
    (invoice,) = acme.invoices
    assert (invoice.number, invoice.paid_first_cents) == ("F2026-000001", 4240)


def test_what_is_declared_abroad_waits_for_the_invoice_too(
    asking: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox
) -> None:
    german = payer(asking, sandbox, "acme", kind="consumer", country="DE")
    name = german.numbers[0]
    assert declared() == []
    asking.clock.travel_to(AFTER_NOVEMBER.replace(year=2027, month=1, day=8))
    pays(german, name)
    db.session.rollback()
    (row,) = declared_in(Quarter(2027, 1))
    assert (row.kind, row.number, row.supplied) == (Kind.OSS, "F2027-000001", QUARTER)
    assert declared() == []


def test_it_is_chased_like_an_invoice(acme: Payer, smtp: Mailbox) -> None:
    acme.shop.run_jobs()
    name = acme.numbers[0]
    acme.shop.clock.travel_to(AFTER_OCTOBER.replace(day=23, hour=9))
    dunning_jobs.chase_due()
    acme.shop.run_jobs()
    reminder = smtp.messages[-1]
    assert reminder["subject"] == f"Reminder: payment request {name} is unpaid"
    assert [part.get_filename() for part in reminder.iter_attachments()] == [f"{name}.pdf"]


def test_no_statement_of_ours_turns_an_invoice_into_another(acme: Payer) -> None:
    pays(acme, acme.numbers[0])
    (invoice,) = acme.invoices
    key = {"customer": invoice.customer_id, "invoice": invoice.invoice_id}
    again = text(
        "SELECT issue_payment_request(:customer, :invoice, 'F2026-000009', DATE '2026-12-01', now())"
    )
    assert db.session.scalar(again, key) is None
    with pytest.raises(ProgrammingError, match="permission denied"):
        db.session.execute(text("UPDATE invoice SET number = 'F2026-000009'"))
    db.session.rollback()
    assert acme.numbers == ["F2026-000001"]


def test_a_requests_name_makes_a_reference_that_leads_back_to_it() -> None:
    name = "B-7K2QX9M4TP"
    assert is_number(name)
    assert not is_number("B-7K2QX9M4T0")
    for country in ("NL", "BE"):
        assert invoice_number_of(reference_of(name, country)) == name


def test_another_moment_of_issue_is_refused() -> None:
    with pytest.raises(SettingsError, match="ISSUE_ON: must be period_close or payment"):
        Settings.from_env(
            {
                "SECRET_KEY": "x" * 32,
                "DATABASE_URL": "postgresql://a/b",
                "REDIS_URL": "redis://a",
                "MOLLIE_API_KEY": "test_a",
                "ISSUE_ON": "sometimes",
            }
        )


def test_whoever_pays_reads_that_it_is_a_request(acme: Payer, smtp: Mailbox) -> None:
    (request,) = acme.invoices
    customer = acme.shop.account("acme")
    with in_locale("en"):
        assert document_text(request.number) == f"payment request {request.number}"
    with acme.shop.app.test_request_context("/"), in_locale("en"):
        g.customer = customer
        assert navigation._item("invoicing.invoices", lazy_gettext("Invoices")).count_label == (
            "1 payment request to pay"
        )
    db.session.rollback()
    payment = paying.pay(customer, paying.PayWish(numbers=(request.number,), request_key="x", method="ideal"))
    with in_locale("nl"):
        assert document_title(request.number) == f"Betaalverzoek {request.number}"
    assert description(customer, payment).endswith(f" payment request {request.number}")


def test_programs_are_told_when_it_is_asked_for_and_when_it_is_invoiced(
    asking: Shop, receiver: Receiver, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox
) -> None:
    asking.app.extensions["settings"] = replace(asking.app.extensions["settings"], demo=True)
    events = ["invoice.requested", "invoice.issued"]
    in_unit_of_work(webhooks.register, receiver.url, events)
    acme = payer(asking, sandbox)
    asking.run_jobs()
    (request,) = acme.invoices
    pays(acme, request.number)
    asking.run_jobs()
    told = [json.loads(one.body) for one in receiver.requests]
    assert [one["type"] for one in told] == events
    assert (told[0]["data"]["kind"], told[0]["data"]["number"]) == ("payment_request", request.request_number)
    assert told[1]["data"]["number"] == "F2026-000001"


def test_a_request_that_is_given_up_is_invoiced_for_the_books_and_mailed_to_nobody(
    acme: Payer, smtp: Mailbox, tmp_path: Path
) -> None:
    acme.shop.run_jobs()
    (request,) = acme.invoices
    assert len(smtp.messages) == 1
    in_unit_of_work(write_offs.write_off, request.number, "Bankrupt")
    acme.shop.run_jobs()
    (invoice,) = acme.invoices
    assert invoice.number == "F2026-000001"
    assert "F2026-000001" in text_of(service.document(invoice).content, tmp_path)
    assert len(smtp.messages) == 1

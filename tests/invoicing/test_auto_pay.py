"""Automatic payment: what is due is collected on its due date, once, as the customer chose and agreed."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.db import db, in_unit_of_work, unit_of_work
from invoicing import auto_pay, billing_terms, dunning_cases, dunning_jobs, notices, service
from invoicing.dunning_models import AutoPayment
from invoicing.paying import PayWish, pay
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import Shop
from tests.invoicing.payers import Payer, hidden, payer
from tests.topups.at_once import at_once
from tests.topups.conftest import NOBODY
from topups import methods
from topups import service as topups
from topups.errors import ConsentMissing, NoPaymentMethod

DUE = date(2026, 11, 15)


@pytest.fixture
def acme(
    shop: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> Payer:
    """Owes €42.40, due on 15 November, and has a mandate."""
    for module in ("topups.receipts", "invoicing.notices", "invoicing.paid_copies"):
        monkeypatch.setattr(f"{module}.render_pdf", lambda html: b"%PDF " + html.encode(), raising=False)
    methods.forget()
    acme = payer(shop, sandbox)
    shop.run_jobs()
    return acme


def chooses(acme: Payer, *kinds: billing_terms.ChargeType) -> None:
    in_unit_of_work(lambda: bool(auto_pay.choose(acme.customer_id, kinds or ("usage",), NOBODY)))


def on_day(shop: Shop, days_after_due: int, hour: int = 9) -> None:
    day = DUE + timedelta(days=days_after_due)
    shop.clock.travel_to(datetime(day.year, day.month, day.day, hour, tzinfo=UTC))
    db.session.rollback()
    dunning_jobs.collect_due()
    dunning_jobs.chase_due()
    shop.run_jobs()


def collections(acme: Payer) -> list[str]:
    db.session.rollback()
    db.session.expire_all()
    return [row.status for row in db.session.scalars(select(AutoPayment).order_by(AutoPayment.due_date))]


def test_what_is_due_is_collected_on_its_due_date_and_announced_the_day_it_is_sent(
    acme: Payer, smtp: Mailbox
) -> None:
    acme.story.save_method("ideal")
    chooses(acme)
    for day in range(-5, 0):
        on_day(acme.shop, day)
    assert acme.payments == []
    smtp.messages.clear()
    on_day(acme.shop, 0)
    (payment,) = acme.payments
    assert (payment.amount_micros, payment.origin, payment.status) == (42_400_000, "auto_pay", "pending")
    (mail,) = smtp.to("acme@example.nl")
    body = mail.get_body(("plain",))
    assert body is not None
    told = body.get_content().replace("\xa0", " ")
    for words in ("€42.40", acme.numbers[0], "Mandate reference", "Creditor ID"):
        assert words in told
    assert service.status_now(acme.invoices[0]) == "in_progress"
    acme.at_the_bank(payment, "paid")
    assert acme.outstanding == [0]
    assert dunning_cases.steps_of(acme.invoices[0]) == []


def test_what_is_held_is_collected_once_it_was_mended_and_sent(
    shop: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods.forget()
    late = payer(shop, sandbox)
    with monkeypatch.context() as broken:
        broken.setattr(notices, "problems_of", lambda _xml, _profile: ["BR-X: no document is right"])
        shop.run_jobs()
    late.story.save_method("ideal")
    chooses(late)
    on_day(shop, 0)
    # Also not when it is asked for by name.
    assert auto_pay.collect(late.customer_id, late.invoices[0].invoice_id) is None
    assert (late.payments, collections(late)) == ([], [])
    assert service.check_again(late.numbers[0]) == []
    shop.run_jobs()
    on_day(shop, 1)
    (payment,) = late.payments
    assert (payment.amount_micros, collections(late)) == (42_400_000, ["asked"])


def test_what_has_no_document_yet_is_not_collected(acme: Payer) -> None:
    acme.story.save_method("ideal")
    chooses(acme)
    acme.uses_november_too()
    acme.shop.app.extensions["redis"].flushall()
    november = acme.invoices[1]
    acme.shop.clock.travel_to(datetime(2026, 12, 20, 9, tzinfo=UTC))
    assert auto_pay.collect(acme.customer_id, november.invoice_id) is None
    assert november.invoice_id not in {key[1] for key in auto_pay.due(date(2026, 12, 20), 100)}
    service.render(november.number)
    assert auto_pay.collect(acme.customer_id, november.invoice_id) == "asked"


def test_it_is_charged_once_whatever_runs_twice_at_once_or_dies(acme: Payer) -> None:
    acme.story.save_method("ideal")
    chooses(acme)
    acme.shop.clock.travel_to(datetime(2026, 11, 15, 9, tzinfo=UTC))
    invoice_id, customer_id = acme.invoices[0].invoice_id, acme.customer_id
    raised = at_once(acme.shop.app, *[lambda: auto_pay.collect(customer_id, invoice_id)] * 3)
    assert raised == []
    assert len(acme.payments) == 1
    # The process died before it noted what came of it: the schedule finds the row and the same payment.
    with db.engine.begin() as connection:
        connection.execute(update(AutoPayment).values(status="planned", top_up_id=None))
    for hour in (10, 11):
        on_day(acme.shop, 0, hour)
    assert len(acme.payments) == 1
    assert collections(acme) == ["asked"]


def test_what_was_begun_is_not_charged_after_the_customer_switched_it_off(acme: Payer) -> None:
    method = acme.story.save_method("ideal")
    chooses(acme)
    acme.shop.clock.travel_to(datetime(2026, 11, 15, 9, tzinfo=UTC))
    # The process died between the row and the charge.
    with unit_of_work():
        db.session.add(
            AutoPayment(
                customer_id=acme.customer_id,
                invoice_id=acme.invoices[0].invoice_id,
                due_date=DUE,
                amount_micros=42_400_000,
                status="planned",
                methods=[method.payment_method_id],
                tried=0,
                created_at=acme.shop.clock.now(),
            )
        )
    in_unit_of_work(lambda: bool(auto_pay.choose(acme.customer_id, [], None)))
    on_day(acme.shop, 0, 10)
    assert (acme.payments, collections(acme)) == ([], ["skipped"])


def test_what_was_asked_for_before_it_was_switched_off_is_noted_as_asked(acme: Payer) -> None:
    acme.story.save_method("ideal")
    chooses(acme)
    on_day(acme.shop, 0)
    with db.engine.begin() as connection:
        connection.execute(update(AutoPayment).values(status="planned", top_up_id=None, ended_at=None))
    in_unit_of_work(lambda: bool(auto_pay.choose(acme.customer_id, [], None)))
    on_day(acme.shop, 0, 10)
    assert (len(acme.payments), collections(acme)) == (1, ["asked"])


def test_a_failed_collection_is_not_tried_again_but_chased_like_any_other(acme: Payer) -> None:
    acme.story.save_method("ideal")
    chooses(acme)
    on_day(acme.shop, 0)
    acme.at_the_bank(acme.payments[0], "failed", failure_reason="AM04")
    for day in (1, 3, 7, 8):
        on_day(acme.shop, day)
    assert len(acme.payments) == 1
    assert [row.step for row in dunning_cases.steps_of(acme.invoices[0])] == ["reminder"]


def test_a_mandate_that_is_gone_is_passed_over_for_the_next_one(acme: Payer) -> None:
    gone = acme.story.save_method("ideal")
    card = acme.story.save_method("creditcard", key="card")
    acme.sandbox.control(f"mandates/{gone.mollie_mandate_id}/state", {"status": "invalid"})
    chooses(acme)
    on_day(acme.shop, 0)
    paid = [payment for payment in acme.payments if payment.status == "paid"]
    assert [payment.payment_method_id for payment in paid] == [card.payment_method_id]
    assert acme.outstanding == [0]


def test_without_any_mandate_left_it_is_refused_and_chased(acme: Payer) -> None:
    only = acme.story.save_method("ideal")
    chooses(acme)
    acme.sandbox.control(f"mandates/{only.mollie_mandate_id}/state", {"status": "invalid"})
    on_day(acme.shop, 0)
    on_day(acme.shop, 7)
    assert collections(acme) == ["refused"]
    assert [row.step for row in dunning_cases.steps_of(acme.invoices[0])] == ["reminder"]


def test_who_pays_by_hand_is_not_charged_beside_that(acme: Payer) -> None:
    debit = acme.story.save_method("ideal")
    chooses(acme)
    acme.shop.clock.travel_to(datetime(2026, 11, 14, 9, tzinfo=UTC))
    wish = PayWish(
        numbers=(acme.numbers[0],),
        request_key="hand",
        amount_micros=20_000_000,
        payment_method_id=debit.payment_method_id,
    )
    pay(acme.shop.account("acme"), wish)
    on_day(acme.shop, 0)
    assert len(acme.payments) == 1
    assert collections(acme) == ["skipped"]


def test_what_was_overdue_already_stays_the_customers_to_pay(acme: Payer) -> None:
    acme.story.save_method("ideal")
    acme.shop.clock.travel_to(datetime(2026, 11, 18, 9, tzinfo=UTC))
    chooses(acme)
    on_day(acme.shop, 4)
    assert acme.payments == []


def test_only_the_kinds_that_were_chosen_are_collected(acme: Payer) -> None:
    acme.story.save_method("ideal")
    chooses(acme, "subscription")
    on_day(acme.shop, 0)
    assert acme.payments == []


def test_the_bank_being_away_is_no_failure(acme: Payer) -> None:
    acme.story.save_method("ideal")
    chooses(acme)
    acme.sandbox.control(
        "faults", {"match": {"method": "POST", "path": "/v2/payments"}, "times": 1, "action": "503"}
    )
    on_day(acme.shop, 0)
    acme.story.pass_time(minutes=10)
    acme.story.sweep()
    assert len(acme.payments) == 1
    assert acme.payments[0].status == "pending"


def test_it_needs_a_consent_and_a_mandate_and_does_not_count_as_automatic_top_up(acme: Payer) -> None:
    with pytest.raises(NoPaymentMethod):
        in_unit_of_work(auto_pay.choose, acme.customer_id, ["usage"], NOBODY)
    acme.story.save_method("ideal")
    acme.story.turn_on()
    with pytest.raises(ConsentMissing):
        in_unit_of_work(auto_pay.choose, acme.customer_id, ["usage"], None)
    chooses(acme, "usage", "one_off")
    # Less needs no new consent; nothing switches it off.
    in_unit_of_work(lambda: bool(auto_pay.choose(acme.customer_id, ["usage"], None)))
    assert auto_pay.choice_of(acme.customer_id).charge_types == {"usage"}
    consent = auto_pay.choice_of(acme.customer_id).consent
    assert consent is not None
    assert (consent.kind, consent.locale) == ("automatic_payment", "nl")
    assert "on its due date" in consent.text or "op de vervaldatum" in consent.text
    used = topups.summary(acme.customer_id).month_used_micros
    on_day(acme.shop, 0)
    assert len(acme.payments) == 1
    assert topups.summary(acme.customer_id).month_used_micros == used
    in_unit_of_work(lambda: bool(auto_pay.choose(acme.customer_id, [], None)))
    assert not auto_pay.choice_of(acme.customer_id)


def test_the_customer_switches_it_on_and_off_on_a_page(acme: Payer) -> None:
    client = acme.signs_in()
    path = "/invoices/automatic-payment"
    assert "you need a payment method" in acme.get(path)
    acme.story.save_method("ideal")
    form = {"csrf_token": hidden(acme.get(path), "csrf_token"), "usage": "y"}
    refused = client.post(path, data=form)
    assert refused.status_code == 422
    assert "Tick the box to give your consent." in refused.text
    saved = client.post(path, data=form | {"consent": "y"}, follow_redirects=True)
    assert "Automatic payment is on." in saved.text
    assert auto_pay.choice_of(acme.customer_id).charge_types == {"usage"}
    assert "Automatic payment is off." in client.post(path + "/off", data=form, follow_redirects=True).text
    assert not auto_pay.choice_of(acme.customer_id)


def test_a_program_chooses_for_the_customer_and_vouches_for_the_consent(acme: Payer) -> None:
    acme.story.save_method("ideal")
    path = "/v1/customers/acme/auto-pay"
    assert acme.shop.api.get(path).get_json() == {"enabled": False, "charge_types": [], "consent": None}
    wanted = {"charge_types": ["usage"]}
    refused = acme.shop.api.put(path, json=wanted)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "consent_missing")
    wrong = acme.shop.api.put(path, json={"charge_types": ["gold"]})
    assert wrong.status_code == 422
    made = acme.shop.api.put(path, json=wanted | {"consent": {"ip": "192.0.2.9", "locale": "en"}}).get_json()
    assert made["enabled"]
    assert made["consent"]["ip"] == "192.0.2.9"
    assert acme.shop.api.get(path).get_json() == made

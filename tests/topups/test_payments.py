"""Payments by hand, from the click to the credit."""

import pytest

from app.db import db
from tests.fixtures.outside import Mailbox
from tests.topups.conftest import EURO, NOBODY, Story
from topups import service
from topups.errors import (
    AmountNotWholeCents,
    AmountOutsideLimits,
    ConsentMissing,
    RequestKeyReused,
    UnknownMethod,
)


def test_an_ideal_payment_raises_the_balance_and_is_confirmed_by_mail(story: Story, smtp: Mailbox) -> None:
    top_up = story.request(25)
    assert (top_up.status, top_up.purpose) == ("open", "balance")
    assert top_up.checkout_url is not None
    assert story.prepaid == 0

    story.settle(top_up)
    story.run_jobs()

    assert story.top_up(top_up.top_up_id).status == "paid"
    assert story.prepaid == 25 * EURO
    (credit,) = story.transfers()
    assert (credit.kind, credit.debit, credit.credit) == ("top_up", "psp", "prepaid")
    (mail,) = smtp.to("boekhouding@acme.example")
    assert "25,00" in str(mail["Subject"]) or "25.00" in str(mail["Subject"])


def test_the_same_form_sent_twice_is_one_payment(story: Story) -> None:
    first = story.request(25, key="form-1")
    second = story.request(25, key="form-1")
    assert second.top_up_id == first.top_up_id
    assert second.checkout_url == first.checkout_url


def test_two_deliberate_payments_are_two_credits(story: Story) -> None:
    story.pay(25, key="form-1")
    story.pay(25, key="form-2")
    assert story.prepaid == 50 * EURO


def test_the_same_key_with_another_amount_is_refused(story: Story) -> None:
    story.request(25, key="form-1")
    with pytest.raises(RequestKeyReused):
        story.request(50, key="form-1")


@pytest.mark.parametrize("micros", [9_990_000, 250_010_000, 0, -25 * EURO])
def test_an_amount_outside_the_limits_is_refused_with_the_limits(story: Story, micros: int) -> None:
    with pytest.raises(AmountOutsideLimits) as refused:
        service.request_top_up(story.customer, micros, request_key="k", method="ideal")
    assert "10" in str(refused.value.detail)
    assert "250" in str(refused.value.detail)
    assert story.top_ups() == []


def test_a_fraction_of_a_cent_cannot_be_paid(story: Story) -> None:
    with pytest.raises(AmountNotWholeCents):
        service.request_top_up(story.customer, 25_001_000, request_key="k", method="ideal")


def test_an_unknown_method_is_refused(story: Story) -> None:
    with pytest.raises(UnknownMethod):
        story.request(method="barter")


def test_the_limits_do_not_apply_to_paying_an_invoice(story: Story) -> None:
    top_up = story.request(900, purpose="invoice", invoice_number="F2026-0001")
    assert top_up.invoice_number == "F2026-0001"


def test_a_method_is_saved_only_with_consent_and_the_consent_is_kept(story: Story) -> None:
    with pytest.raises(ConsentMissing):
        story.request(save_method=True)
    top_up = story.pay(25, save_method=True, consent_by=NOBODY)
    assert top_up.sequence_type == "first"
    consent = db.session.get_one(service.Consent, (story.customer_id, top_up.consent_id))
    assert (consent.kind, consent.ip_address) == ("save_method", "192.0.2.7")
    assert "NL08ZZZ502057730000" in consent.text
    assert consent.creditor_name == "Stichting Mollie Payments"


@pytest.mark.parametrize(
    ("method", "kind"),
    [("ideal", "directdebit"), ("bancontact", "directdebit"), ("creditcard", "creditcard")],
)
def test_a_first_payment_leaves_a_mandate(story: Story, method: str, kind: str) -> None:
    saved = story.save_method(method)
    assert (saved.method, saved.status) == (kind, "valid")
    assert "····" in service.method_label(saved)


def test_a_failed_payment_leaves_the_balance_alone(story: Story) -> None:
    for number, status in enumerate(("failed", "canceled", "expired")):
        top_up = story.request(25, key=f"form-{number}")
        story.settle(top_up, status)
        story.run_jobs()
        assert story.top_up(top_up.top_up_id).status == status
    assert story.prepaid == 0
    assert story.transfers() == []


def test_a_bank_transfer_counts_when_it_arrives(story: Story) -> None:
    top_up = story.request(100, method="banktransfer")
    story.settle(top_up)
    story.run_jobs()
    assert story.prepaid == 100 * EURO

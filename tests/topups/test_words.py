"""Words about methods: within a sentence, in the language of whoever reads; mails that lead on."""

from app.db import db
from app.i18n import in_locale
from app.mail import mail_log
from tests.topups.conftest import EURO, Story
from topups import service


def test_within_a_sentence_a_direct_debit_begins_small_and_a_card_keeps_its_name(story: Story) -> None:
    debit = story.save_method("ideal")
    story.turn_on()
    with in_locale("nl"):
        label = service.summary(story.customer_id).method_label or ""
        assert label == f"incasso {debit.account_mask}"
        assert service.method_label(debit) == f"Incasso {debit.account_mask}"


def test_a_method_is_named_in_the_readers_language_whoever_asked_first(story: Story) -> None:
    with in_locale("nl"):
        assert service.ways_to_pay(25 * EURO)
    with in_locale("en"):
        assert service.method_name("banktransfer") == "Bank transfer"
        assert service.method_name("creditcard") == "Credit card"
        assert service.method_name("something-new") == "something-new"
    with in_locale("nl"):
        assert service.method_name("directdebit") == "Automatische incasso"


def test_who_takes_back_the_payment_of_an_invoice_is_told_that_it_is_open_again(story: Story) -> None:
    paid = story.pay(purpose="invoice", invoice_number="F2026-000018")
    story.sandbox.control(f"payments/{paid.mollie_payment_id}/chargeback", {"code": "MD06"})
    story.run_jobs()

    db.session.rollback()
    told = next(mail for mail in mail_log() if mail.template == "chargeback")
    assert "Factuur F2026-000018 staat weer open." in told.html_body
    assert "/invoices/F2026-000018" in told.html_body
    assert "/invoices/F2026-000018" in told.text_body
    assert "/top-up" not in told.text_body + told.html_body

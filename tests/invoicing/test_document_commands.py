"""Documents by command: sent again, and a payment request invoiced before it is paid."""

from dataclasses import replace

from app.config import Settings
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, Shop


def closed(shop: Shop) -> str:
    shop.customer("acme")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.run_jobs()
    return shop.invoice("acme").number


def test_a_document_is_sent_again_to_who_may_have_it(shop: Shop, smtp: Mailbox) -> None:
    number = closed(shop)
    before = len(smtp.messages)
    sent = shop.runner.invoke(args=["invoicing", "resend", number])
    assert (sent.exit_code, sent.output.strip()) == (0, "acme@example.nl")
    shop.run_jobs()
    assert len(smtp.messages) == before + 1
    refused = shop.runner.invoke(args=["invoicing", "resend", number, "--to", "stranger@example.nl"])
    assert refused.exit_code == 1
    assert shop.runner.invoke(args=["invoicing", "resend", "F2026-999999"]).exit_code == 1


def test_a_payment_request_is_invoiced_by_hand_once(shop: Shop, settings: Settings) -> None:
    shop.app.extensions["settings"] = replace(settings, issue_on="payment")
    request = closed(shop)
    assert request.startswith("B-")
    issued = shop.runner.invoke(args=["invoicing", "issue", request])
    assert (issued.exit_code, issued.output.strip()) == (0, "F2026-000001")
    assert shop.invoice("acme").number == "F2026-000001"
    again = shop.runner.invoke(args=["invoicing", "issue", request])
    assert again.exit_code == 1
    assert "F2026-000001" in again.output

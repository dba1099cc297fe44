"""Receipts: one for each payment received, numbered without gaps, in the customer's language."""

import subprocess
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clock import utc_now
from app.db import db, unit_of_work
from app.i18n import local_date
from app.pdf import PdfNotMade
from tests.fixtures.outside import Mailbox
from tests.topups.at_once import at_once
from tests.topups.conftest import Story
from topups import receipts, service


@pytest.fixture
def blank_paper() -> None:
    """Here receipts are really printed."""


def attached(mail: EmailMessage) -> list[tuple[str | None, bytes]]:
    return [(part.get_filename(), part.get_content()) for part in mail.iter_attachments()]


def text_of(pdf: bytes, tmp_path: Path) -> str:
    file = tmp_path / "receipt.pdf"
    file.write_bytes(pdf)
    done = subprocess.run(["pdftotext", "-layout", str(file), "-"], check=True, capture_output=True)
    return done.stdout.decode().replace("\u00a0", " ")


def test_a_payment_is_confirmed_with_a_numbered_receipt_in_the_customers_language(
    story: Story, smtp: Mailbox, tmp_path: Path
) -> None:
    top_up = story.pay(25)
    (mail,) = smtp.messages
    ((filename, content),) = attached(mail)
    year = local_date(utc_now()).year
    assert filename == f"O{year}-000001.pdf"
    text = text_of(content, tmp_path)
    for told in ("Betaalbewijs", "€ 25,00", "Acme B.V.", "acme", str(top_up.mollie_payment_id), "iDEAL"):
        assert told in text, told
    assert "Receipt" not in text
    assert service.find_receipt(top_up).content == content


def test_an_english_customer_gets_an_english_one(story: Story, smtp: Mailbox, tmp_path: Path) -> None:
    with unit_of_work():
        story.customer.locale = "en"
    story.pay(25, method="creditcard")
    ((_, content),) = attached(smtp.messages[0])
    text = text_of(content, tmp_path)
    assert "Receipt" in text
    assert "€25.00" in text
    assert "Betaal" not in text


def test_a_receipt_is_made_and_mailed_once_whatever_runs_twice(
    app: Flask, story: Story, smtp: Mailbox
) -> None:
    first, second = story.pay(25), story.pay(50, key="second")
    assert at_once(app, *[lambda: receipts.issue(first.top_up_id)] * 3) == []
    story.run_jobs()
    assert len(smtp.messages) == 2
    db.session.rollback()
    numbers = [service.find_receipt(top_up).number for top_up in (first, second)]
    assert [str(number)[-6:] for number in numbers] == ["000001", "000002"]


def test_a_lost_receipt_job_is_found_by_the_sweep(story: Story, smtp: Mailbox) -> None:
    top_up = story.request(25)
    story.settle(top_up)
    service.sync_payment(top_up.top_up_id)
    story.lose_jobs()
    story.pass_time(minutes=2)
    story.sweep()
    assert len(attached(smtp.messages[0])) == 1


def test_without_a_printer_the_mail_goes_out_alone_and_the_receipt_can_be_fetched_later(
    story: Story, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up = story.request(25)
    story.settle(top_up)
    service.sync_payment(top_up.top_up_id)
    with monkeypatch.context() as broken:
        broken.setattr("app.pdf.TIMEOUT_SECONDS", 0.0001)
        with pytest.raises(PdfNotMade):
            receipts.issue(top_up.top_up_id)
        assert smtp.messages == []
        story.pass_time(minutes=20)
        with pytest.raises(PdfNotMade):
            receipts.issue(top_up.top_up_id)
    story.run_jobs()
    (mail,) = smtp.messages
    assert attached(mail) == []
    assert (service.find_receipt(story.top_up(top_up.top_up_id)).content or b"").startswith(b"%PDF")


def test_the_receipt_is_downloaded_from_the_api(story: Story, api: FlaskClient) -> None:
    top_up = story.request(25)
    path = f"/v1/top-ups/{top_up.top_up_id}/receipt.pdf"
    none_yet = api.get(path)
    assert none_yet.json is not None
    assert (none_yet.status_code, none_yet.json["code"]) == (404, "receipt_not_ready")
    story.settle(top_up)
    story.run_jobs()
    answer = api.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.data.startswith(b"%PDF")

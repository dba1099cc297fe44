"""Mail: a row first, once, then over real SMTP; what the server refuses is retried and shown."""

from collections.abc import Callable

import pytest
from flask import Flask

from app import mail
from app.db import db, unit_of_work
from tests.fixtures.outside import Mailbox


def send_code(locale: str = "nl", dedupe_key: str | None = None) -> int | None:
    with unit_of_work():
        return mail.send(
            "sign_in_code",
            to="jan@example.nl",
            locale=locale,
            customer_id=None,
            context={"code": "123456", "minutes": 10},
            attachments=[mail.Attachment(filename="a.pdf", content_type="application/pdf", content=b"%PDF")],
            dedupe_key=dedupe_key,
        )


@pytest.mark.parametrize(
    ("locale", "subject"), [("nl", "123456 is je inlogcode"), ("en", "123456 is your sign-in code")]
)
def test_a_mail_arrives_whole_in_the_readers_language(
    app: Flask, smtp: Mailbox, run_jobs: Callable[..., int], locale: str, subject: str
) -> None:
    send_code(locale)
    run_jobs()
    (message,) = smtp.messages
    assert message["Subject"] == subject
    assert message["Content-Language"] == locale
    kinds = [part.get_content_type() for part in message.walk()]
    assert {"text/plain", "text/html", "application/pdf"} <= set(kinds)
    (logged,) = mail.mail_log()
    assert (logged.status, logged.attempts) == ("sent", 1)


def test_the_same_dedupe_key_makes_one_mail(app: Flask, smtp: Mailbox, run_jobs: Callable[..., int]) -> None:
    assert send_code(dedupe_key="once") is not None
    assert send_code(dedupe_key="once") is None
    run_jobs()
    assert len(smtp.messages) == 1


def test_a_refusing_server_is_retried_and_shown(
    app: Flask, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    smtp.refuse_with = "451 try again later"
    send_code()
    run_jobs(failures_expected=True)
    (logged,) = mail.mail_log()
    assert logged.status == "failed"
    assert "451" in (logged.error or "")
    smtp.refuse_with = None
    run_jobs(scheduled=True)
    assert len(smtp.messages) == 1
    db.session.rollback()
    (logged,) = mail.mail_log()
    assert (logged.status, logged.error) == ("sent", None)


def test_a_sent_mail_is_not_sent_again_by_a_second_run_but_by_hand(
    app: Flask, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    mail_id = send_code()
    assert mail_id is not None
    run_jobs()
    mail.deliver(mail.NO_CUSTOMER, mail_id)
    assert len(smtp.messages) == 1
    with unit_of_work():
        mail.resend(mail.NO_CUSTOMER, mail_id)
    run_jobs()
    assert len(smtp.messages) == 2
    assert smtp.messages[0]["Message-ID"] == smtp.messages[1]["Message-ID"]


def test_what_a_lost_queue_left_behind_can_be_found(app: Flask) -> None:
    mail_id = send_code()
    assert mail.mails_to_send() == [(mail.NO_CUSTOMER, mail_id)]

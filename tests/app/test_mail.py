"""Mail: a row first, once, then over real SMTP; what the server refuses is retried and shown."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask

from app import mail
from app.config import settings
from app.db import db, unit_of_work
from app.errors import Conflict
from tests.fixtures.outside import Mailbox, free_port
from tests.fixtures.product import Clock


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


def state_of_the_mail() -> tuple[str, int]:
    db.session.rollback()
    (logged,) = mail.mail_log()
    return logged.status, logged.attempts


def test_a_worker_that_dies_after_the_servers_ok_leaves_the_mail_to_a_person(
    app: Flask,
    smtp: Mailbox,
    run_jobs: Callable[..., int],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mail_id = send_code()
    assert mail_id is not None

    class KilledError(BaseException):
        """The process ends here: nothing after this line runs."""

    def die(*_args: object) -> None:
        raise KilledError

    with monkeypatch.context() as dying:
        dying.setattr(mail, "_note_outcome", die)
        with pytest.raises(KilledError):
            mail.deliver(mail.NO_CUSTOMER, mail_id)
    assert len(smtp.messages) == 1
    assert state_of_the_mail() == ("sending", 0)
    # Neither the queue's next try nor the sweep sends it again, at once or ever.
    mail.deliver(mail.NO_CUSTOMER, mail_id)
    mail.send_waiting()
    with pytest.raises(Conflict), unit_of_work():
        mail.resend(mail.NO_CUSTOMER, mail_id)
    clock.travel_to(clock.now() + mail.SENDING_ENDS + timedelta(minutes=1))
    mail.send_waiting()
    mail.send_waiting()
    run_jobs(scheduled=True)
    assert len(smtp.messages) == 1
    assert state_of_the_mail() == ("unsure", 1)
    assert [message.mail_id for message in mail.perhaps_sent()] == [mail_id]
    with unit_of_work():
        mail.resend(mail.NO_CUSTOMER, mail_id)
    run_jobs()
    assert len({message["Message-ID"] for message in smtp.messages}) == 1
    assert (len(smtp.messages), state_of_the_mail()[0]) == (2, "sent")


def test_a_line_that_breaks_after_the_message_was_sent_is_not_tried_again(
    app: Flask, smtp: Mailbox, run_jobs: Callable[..., int]
) -> None:
    smtp.hang_up = True
    mail_id = send_code()
    assert mail_id is not None
    run_jobs()
    run_jobs(scheduled=True)
    assert len(smtp.messages) == 1
    assert state_of_the_mail() == ("unsure", 1)
    with unit_of_work():
        mail.settle_as_sent(mail.NO_CUSTOMER, mail_id)
    assert state_of_the_mail() == ("sent", 1)
    assert mail.perhaps_sent() == []


def test_a_server_that_cannot_be_reached_is_tried_again(
    app: Flask, smtp: Mailbox, run_jobs: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = settings()
    with monkeypatch.context() as away:
        away.setattr(mail, "settings", lambda: replace(found, smtp_port=free_port()))
        send_code()
        run_jobs(failures_expected=True)
    assert state_of_the_mail() == ("failed", 1)
    run_jobs(scheduled=True)
    assert state_of_the_mail() == ("sent", 2)
    assert len(smtp.messages) == 1

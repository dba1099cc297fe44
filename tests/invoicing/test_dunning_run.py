"""Unpaid invoices are chased by a clock that the test turns, from the first reminder to the suspension."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from app.config import Settings
from app.db import db, in_unit_of_work
from app.ledger import suspension
from app.ledger.models import Transfer
from app.ledger.sides import Side
from invoicing import (
    dunning_cases,
    dunning_control,
    dunning_jobs,
    dunning_pauses,
    dunning_run,
    late_fee_claims,
    service,
)
from invoicing.dunning import Step
from invoicing.paying import PayWish, pay
from tests.fixtures.outside import Mailbox, Sandbox
from tests.fixtures.product import LiveApp
from tests.fixtures.shop import Shop
from tests.invoicing.payers import Payer, payer
from tests.topups.at_once import at_once
from topups import methods

# Due on 15 November: the customers' term is fourteen days.
DUE = date(2026, 11, 15)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The terms ask the legal scale of consumers and 15 euros of businesses."""
    object.__setattr__(settings, "late_fee_consumer", "wik")
    object.__setattr__(settings, "late_fee_business", "15")
    return settings


@pytest.fixture
def shop(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for module in ("topups.receipts", "invoicing.notices", "invoicing.paid_copies"):
        monkeypatch.setattr(f"{module}.render_pdf", lambda html: b"%PDF " + html.encode(), raising=False)
    methods.forget()
    return shop


@pytest.fixture
def jan(shop: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox) -> Payer:
    """A Dutch consumer who reads Dutch."""
    jan = payer(shop, sandbox, "jan", name="Jan Jansen", kind="consumer", locale="nl")
    shop.run_jobs()
    return jan


@pytest.fixture
def acme(shop: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox) -> Payer:
    acme = payer(shop, sandbox)
    shop.run_jobs()
    return acme


def on_day(shop: Shop, days_after_due: int, hour: int = 9) -> None:
    """That morning, with the schedule's look at who has not paid."""
    day = DUE + timedelta(days=days_after_due)
    shop.clock.travel_to(datetime(day.year, day.month, day.day, hour, tzinfo=UTC))
    db.session.rollback()
    dunning_jobs.collect_due()
    dunning_jobs.chase_due()
    shop.run_jobs()


def pass_days(shop: Shop, first: int, last: int) -> None:
    for day in range(first, last + 1):
        on_day(shop, day)


def done(who: Payer) -> dict[str, int]:
    """Steps with their days after the due date."""
    db.session.rollback()
    return {row.step: (row.done_on - DUE).days for row in dunning_cases.steps_of(who.invoices[0])}


def subjects(smtp: Mailbox, who: Payer) -> list[str]:
    address = f"{who.reference}@example.nl"
    return [str(m["subject"]).replace("\xa0", " ") for m in smtp.to(address)]


def test_a_consumer_who_never_pays_goes_through_every_step(jan: Payer, smtp: Mailbox) -> None:
    number = jan.numbers[0]
    smtp.messages.clear()
    pass_days(jan.shop, -5, 55)
    assert done(jan) == {
        "upcoming": -3,
        "reminder": 7,
        "second_reminder": 21,
        "late_fee": 36,
        "final_demand": 42,
        "suspension": 49,
    }
    assert subjects(smtp, jan) == [
        f"Factuur {number} moet uiterlijk 15 november 2026 betaald zijn",
        f"Herinnering: factuur {number} is nog niet betaald",
        f"Tweede herinnering: factuur {number}",
        f"Factuur {number}: € 40,00 kosten voor te laat betalen",
        f"Laatste aanmaning: factuur {number}",
        f"Je account is geblokkeerd: factuur {number} is niet betaald",
    ]
    body = smtp.to("jan@example.nl")[2].get_body(("plain",))
    assert body is not None
    letter = body.get_content().replace("\xa0", " ")
    for words in ("14 dagen", "€ 40,00", "21 december 2026", "/pay/pay_", "RF"):
        assert words in letter
    assert [part.get_filename() for part in smtp.messages[2].iter_attachments()] == [f"{number}.pdf"]
    assert jan.outstanding == [8240]
    assert jan.shop.balance("jan").receivable_micros == 82_400_000
    assert jan.shop.balance("jan").state == "suspended"


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        (
            "en",
            {
                -3: "reminder on 22 November 2026; from 20 December 2026 at the earliest, we charge a fee of "
                "€15.00",
                7: "unpaid on 6 December 2026, you get a second reminder; from 20 December 2026 at the "
                "earliest, we charge a fee of €15.00",
                21: "If it is not paid before 20 December 2026, we charge a fee of €15.00",
                35: "a fee of €15.00, without VAT. Together €57.40 is now to be paid. If it is still unpaid "
                "on 27 December 2026, you get a final demand.",
                42: "If it is not paid before 3 January 2027, we suspend your account",
            },
        ),
        (
            "nl",
            {
                -3: "op 22 november 2026 een herinnering; op zijn vroegst vanaf 20 december 2026 brengen we "
                "€ 15,00 kosten in rekening",
                7: "Is er op 6 december 2026 nog niet betaald, dan krijg je een tweede herinnering; op zijn "
                "vroegst vanaf 20 december 2026 brengen we € 15,00 kosten in rekening",
                21: "Is er vóór 20 december 2026 niet betaald, dan brengen we € 15,00 kosten in rekening",
                35: "Is er op 27 december 2026 nog niet betaald, dan krijg je een laatste aanmaning.",
                42: "Is er vóór 3 januari 2027 niet betaald, dan blokkeren we je account",
            },
        ),
    ],
)
def test_every_letter_names_the_fee_and_what_happens_next(
    shop: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox, locale: str, told: dict[int, str]
) -> None:
    late = payer(shop, sandbox, locale=locale)
    shop.run_jobs()
    for day, words in told.items():
        smtp.messages.clear()
        on_day(shop, day)
        (mail,) = smtp.to("acme@example.nl")
        for kind in ("plain", "html"):
            body = mail.get_body((kind,))
            assert body is not None
            text = " ".join(re.sub(r"<[^>]+>", " ", body.get_content()).replace("\xa0", " ").split())
            assert words in text
    assert set(done(late).values()) == set(told)


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        (
            "en",
            {
                -3: "If it is not paid by then, you get a reminder on 22 November 2026.",
                7: "If it is still unpaid on 6 December 2026, you get a second reminder.",
                21: "If it is still unpaid on 27 December 2026, you get a final demand.",
            },
        ),
        (
            "nl",
            {
                -3: "Is er dan niet betaald, dan krijg je op 22 november 2026 een herinnering.",
                7: "Is er op 6 december 2026 nog niet betaald, dan krijg je een tweede herinnering.",
                21: "Is er op 27 december 2026 nog niet betaald, dan krijg je een laatste aanmaning.",
            },
        ),
    ],
)
def test_letters_name_no_fee_where_none_may_be_asked(
    shop: Shop, live_app: LiveApp, sandbox: Sandbox, smtp: Mailbox, locale: str, told: dict[int, str]
) -> None:
    payer(shop, sandbox, kind="consumer", country="BE", locale=locale)
    shop.run_jobs()
    for day, words in told.items():
        smtp.messages.clear()
        on_day(shop, day)
        body = smtp.to("acme@example.nl")[0].get_body(("plain",))
        assert body is not None
        text = " ".join(body.get_content().replace("\xa0", " ").split())
        assert words in text
        assert not {"fee", "kosten"} & set(re.findall(r"\w+", text))


def test_a_business_owes_what_its_terms_say_and_pays_it_with_the_invoice(acme: Payer, smtp: Mailbox) -> None:
    number = acme.numbers[0]
    pass_days(acme.shop, -5, 50)
    assert done(acme) == {
        "upcoming": -3,
        "reminder": 7,
        "second_reminder": 21,
        "late_fee": 35,
        "final_demand": 42,
        "suspension": 49,
    }
    assert acme.outstanding == [5740]
    fee = db.session.scalars(select(Transfer).where(Transfer.kind == "late_fee")).one()
    assert (fee.debit, fee.credit, fee.amount_micros) == ("receivable", "revenue", 15_000_000)
    acme.signs_in()
    page = acme.get(f"/invoices/{number}")
    assert "Fee for paying late" in page
    assert 'value="57.40"' in page
    for line in ("Reminder sent", "Final demand sent", "Account suspended"):
        assert line in page
    assert acme.shop.balance("acme").state == "suspended"
    smtp.messages.clear()
    made = pay(acme.shop.account("acme"), PayWish(numbers=(number,), request_key="pay", method="ideal"))
    assert made.amount_micros == 57_400_000
    acme.at_the_bank(made, "paid")
    assert acme.outstanding == [0]
    assert acme.shop.balance("acme").receivable_micros == 0
    assert acme.shop.balance("acme").suspended_at is None
    assert "Your account is open again" in subjects(smtp, acme)


def test_the_schedule_may_run_as_often_as_it_likes(acme: Payer, smtp: Mailbox) -> None:
    on_day(acme.shop, 7)
    smtp.messages.clear()
    for hour in (10, 12, 15):
        on_day(acme.shop, 7, hour)
    raised = at_once(
        acme.shop.app,
        *[lambda: in_unit_of_work(dunning_run.chase, acme.customer_id) for _ in range(4)],
    )
    assert raised == []
    assert subjects(smtp, acme) == []
    assert done(acme) == {"reminder": 7}


def test_no_letter_goes_out_at_night(acme: Payer) -> None:
    on_day(acme.shop, 7, 3)
    on_day(acme.shop, 7, 22)
    assert done(acme) == {}


def test_a_payment_under_way_pauses_it_and_a_failed_one_lets_it_go_on(acme: Payer) -> None:
    debit = acme.story.save_method("ideal")
    on_day(acme.shop, 6)
    wish = PayWish(numbers=(acme.numbers[0],), request_key="a", payment_method_id=debit.payment_method_id)
    made = pay(acme.shop.account("acme"), wish)
    pass_days(acme.shop, 7, 10)
    assert done(acme) == {}
    acme.at_the_bank(made, "failed", failure_reason="AM04")
    on_day(acme.shop, 11)
    assert done(acme) == {"reminder": 11}


def test_an_operator_pauses_an_invoice_or_a_customer_until_a_day(acme: Payer) -> None:
    on_day(acme.shop, 6)
    number = acme.numbers[0]
    until = DUE + timedelta(days=10)
    in_unit_of_work(dunning_control.pause, acme.customer_id, "Complaint", number=number, until=until)
    in_unit_of_work(dunning_control.pause, acme.customer_id, "Complaint", number=number, until=until)
    pass_days(acme.shop, 7, 9)
    assert done(acme) == {}
    on_day(acme.shop, 10)
    assert done(acme) == {"reminder": 10}
    in_unit_of_work(dunning_control.pause, acme.customer_id, "On holiday")
    on_day(acme.shop, 21)
    (row,) = dunning_pauses.pauses_of(acme.customer_id, DUE + timedelta(days=21)).rows
    in_unit_of_work(dunning_control.resume, acme.customer_id, row.pause_id)
    on_day(acme.shop, 22)
    assert done(acme) == {"reminder": 10, "second_reminder": 22}


def test_dunning_and_the_operator_suspend_each_for_a_cause_of_its_own(acme: Payer) -> None:
    in_unit_of_work(suspension.suspend, acme.customer_id)
    pass_days(acme.shop, 5, 55)
    assert set(suspension.causes(acme.customer_id)) == {"operator", "dunning"}
    in_unit_of_work(dunning_control.pause, acme.customer_id, "They will pay tomorrow")
    assert set(suspension.causes(acme.customer_id)) == {"operator"}
    assert acme.shop.balance("acme").state == "suspended"
    (row,) = dunning_pauses.pauses_of(acme.customer_id, DUE + timedelta(days=60)).rows
    in_unit_of_work(dunning_control.resume, acme.customer_id, row.pause_id)
    in_unit_of_work(suspension.unsuspend, acme.customer_id)
    assert set(suspension.causes(acme.customer_id)) == {"dunning"}
    assert acme.shop.balance("acme").state == "suspended"


def test_what_is_charged_back_later_suspends_again_without_a_step_twice(acme: Payer) -> None:
    pass_days(acme.shop, 5, 50)
    before = done(acme)
    wish = PayWish(numbers=(acme.numbers[0],), request_key="pay", method="ideal")
    made = pay(acme.shop.account("acme"), wish)
    acme.at_the_bank(made, "paid")
    assert acme.shop.balance("acme").suspended_at is None
    amount = {"value": "57.40", "currency": "EUR"}
    acme.sandbox.control(f"payments/{made.mollie_payment_id}/chargeback", {"amount": amount, "code": "AM04"})
    acme.shop.run_jobs()
    assert acme.outstanding == [5740]
    assert acme.shop.balance("acme").state == "suspended"
    pass_days(acme.shop, 51, 60)
    assert done(acme) == before


def test_what_is_charged_back_after_a_final_demand_is_warned_of_again_before_it_suspends(
    acme: Payer, smtp: Mailbox
) -> None:
    pass_days(acme.shop, 5, 43)
    number = acme.numbers[0]
    assert done(acme)["final_demand"] == 42
    made = pay(acme.shop.account("acme"), PayWish(numbers=(number,), request_key="pay", method="ideal"))
    acme.at_the_bank(made, "paid")
    on_day(acme.shop, 80)
    amount = {"value": "57.40", "currency": "EUR"}
    acme.sandbox.control(f"payments/{made.mollie_payment_id}/chargeback", {"amount": amount, "code": "AM04"})
    acme.shop.run_jobs()
    assert acme.outstanding == [5740]
    smtp.messages.clear()
    for hour in (10, 12):
        on_day(acme.shop, 80, hour)
    assert subjects(smtp, acme) == [f"Final demand: invoice {number}"]
    letter = smtp.to("acme@example.nl")[0].get_body(("plain",))
    assert letter is not None
    assert "not paid before 10 February 2027, we suspend" in " ".join(letter.get_content().split())
    pass_days(acme.shop, 81, 86)
    assert acme.shop.balance("acme").suspended_at is None
    pass_days(acme.shop, 87, 95)
    steps = done(acme)
    assert (steps["final_demand"], steps["final_demand:2027-02-03"], steps["suspension"]) == (42, 80, 87)
    assert acme.shop.balance("acme").state == "suspended"
    acme.signs_in()
    assert acme.get(f"/invoices/{number}").count("Final demand sent, mailed to acme@example.nl") == 2


def test_a_fee_is_waived_once_and_only_while_nothing_was_paid_of_it(acme: Payer) -> None:
    pass_days(acme.shop, 5, 36)
    number = acme.numbers[0]
    in_unit_of_work(dunning_control.waive_fee, number, "Our mistake")
    assert acme.outstanding == [4240]
    assert acme.shop.balance("acme").receivable_micros == 42_400_000
    with pytest.raises(late_fee_claims.NoFeeToWaive):
        in_unit_of_work(dunning_control.waive_fee, number, "Our mistake")


def test_what_was_given_up_is_chased_no_more_and_stays_suspended(acme: Payer) -> None:
    pass_days(acme.shop, 5, 50)
    in_unit_of_work(lambda: dunning_control.write_off(acme.numbers[0], "Bankrupt").number)
    assert service.status_now(acme.invoices[0]) == "uncollectible"
    assert acme.shop.side("acme", Side.BAD_DEBT) == -57_400_000
    before = done(acme)
    pass_days(acme.shop, 51, 60)
    assert done(acme) == before
    assert acme.shop.balance("acme").state == "suspended"


def test_an_invoice_that_was_never_sent_is_not_chased(
    shop: Shop, live_app: LiveApp, sandbox: Sandbox
) -> None:
    late = payer(shop, sandbox)
    shop.app.extensions["redis"].flushall()
    on_day(shop, 7)
    assert done(late) == {}


def test_what_comes_next_is_foreseen(acme: Payer) -> None:
    pass_days(acme.shop, 5, 8)
    invoice = acme.invoices[0]
    assert dunning_run.next_on(dunning_cases.case_of(invoice), DUE + timedelta(days=8)) == (
        Step.SECOND_REMINDER,
        DUE + timedelta(days=21),
    )

"""The ledger: what is posted is in the balance, once, and can be proved afterwards."""

import threading
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.clock import utc_now
from app.db import db, in_unit_of_work, unit_of_work
from app.errors import Invalid
from app.ledger import jobs, service
from app.ledger.accounts import open_account
from app.ledger.sides import CUSTOMER_SIDES, Posting, Side, effects
from app.ledger.verify import verify_all
from tests.fixtures.product import Clock

EURO = 1_000_000


@pytest.fixture
def customer_id(app: Flask) -> int:
    facts = {"reference": "acme", "name": "Acme", "email": "acme@example.nl"}
    return in_unit_of_work(lambda: open_account(facts).customer_id)


def paid(customer_id: int, reference: str, amount_micros: int = 25 * EURO) -> Posting:
    return Posting(
        customer_id=customer_id,
        kind="top_up",
        debit=Side.PSP,
        credit=Side.PREPAID,
        amount_micros=amount_micros,
        reference=reference,
    )


def test_a_paid_top_up_raises_the_prepaid_balance_once(customer_id: int) -> None:
    for expected_number in (1, None):
        with unit_of_work():
            service.lock_balance(customer_id)
            transfer = service.post_once(paid(customer_id, "topup-1-paid"))
        assert (transfer.number if transfer else None) == expected_number
    assert service.get_balance(customer_id).prepaid_micros == 25 * EURO


def test_many_at_once_with_the_same_reference_credit_once(app: Flask, customer_id: int) -> None:
    def credit() -> None:
        with app.app_context(), unit_of_work():
            service.lock_balance(customer_id)
            service.post_once(paid(customer_id, "topup-1-paid"))

    threads = [threading.Thread(target=credit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    balance = service.get_balance(customer_id)
    assert (balance.prepaid_micros, balance.last_transfer_number) == (25 * EURO, 1)


def test_money_is_not_moved_without_the_lock(customer_id: int) -> None:
    with pytest.raises(RuntimeError, match="without its lock"), unit_of_work():
        service.post(paid(customer_id, "topup-1-paid"))


def test_what_fails_half_way_leaves_nothing(customer_id: int) -> None:
    def dies_half_way() -> None:
        service.lock_balance(customer_id)
        service.post(paid(customer_id, "topup-1-paid"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_unit_of_work(dies_half_way)
    assert service.get_balance(customer_id).last_transfer_number == 0


def test_a_grant_is_promotional_credit_and_given_once(customer_id: int) -> None:
    for _ in range(2):
        with unit_of_work():
            service.grant(customer_id, 5 * EURO, reason="welcome", reference="welcome")
    balance = service.get_balance(customer_id)
    assert (balance.promo_micros, balance.prepaid_micros) == (5 * EURO, 0)


def test_a_grant_that_expired_is_taken_back_by_the_sweep(customer_id: int, clock: Clock) -> None:
    with unit_of_work():
        service.grant(
            customer_id,
            5 * EURO,
            reason="welcome",
            reference="welcome",
            expires_at=utc_now() + timedelta(days=1),
        )
    jobs.expire_grants()
    assert service.get_balance(customer_id).promo_micros == 5 * EURO
    clock.travel_to(utc_now() + timedelta(days=2))
    for _ in range(2):
        jobs.expire_grants()
    assert service.get_balance(customer_id).promo_micros == 0


def test_a_grant_in_the_past_is_refused(customer_id: int) -> None:
    with pytest.raises(Invalid), unit_of_work():
        service.grant(
            customer_id, EURO, reason="", reference="late", expires_at=utc_now() - timedelta(days=1)
        )


@pytest.mark.parametrize(
    ("available", "low_mark", "expected"),
    [
        (0, None, "exhausted"),
        (-EURO, 5 * EURO, "exhausted"),
        (EURO, 5 * EURO, "low"),
        (6 * EURO, 5 * EURO, "ok"),
    ],
)
def test_the_state_says_what_is_left(available: int, low_mark: int | None, expected: str) -> None:
    assert service.state_of(available, available, low_mark) == expected


def test_verification_is_clean_and_seals_hold(customer_id: int, runner: FlaskCliRunner) -> None:
    for number in range(3):
        with unit_of_work():
            service.lock_balance(customer_id)
            service.post(paid(customer_id, f"topup-{number}-paid"))
        jobs.seal()
    result = runner.invoke(args=["ledger", "verify"])
    assert result.exit_code == 0
    assert "all is right" in result.output


@pytest.mark.broken_ledger
@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE balance SET prepaid_micros = prepaid_micros + 1", "prepaid"),
        ("UPDATE transfer SET amount_micros = amount_micros + 1 WHERE number = 1", "seal through 1"),
        ("UPDATE transfer SET kind = 'gift' WHERE number = 2", "seal through 2"),
        ('UPDATE "grant" SET remaining_micros = 1', "promo beside its grants"),
    ],
)
def test_verification_names_what_was_tampered_with(
    app: Flask, customer_id: int, runner: FlaskCliRunner, damage: str, named: str
) -> None:
    for number in (1, 2):
        with unit_of_work():
            service.lock_balance(customer_id)
            service.post(paid(customer_id, f"topup-{number}-paid"))
        jobs.seal()
    with unit_of_work():
        service.grant(customer_id, EURO, reason="", reference="welcome")
    as_owner(app, damage)
    result = runner.invoke(args=["ledger", "verify"])
    assert result.exit_code == 1
    assert named in result.output


def test_the_application_itself_may_not_change_a_transfer(customer_id: int) -> None:
    for statement in ("UPDATE transfer SET amount_micros = 1", "DELETE FROM transfer", "TRUNCATE transfer"):
        with pytest.raises(ProgrammingError, match="permission denied"), unit_of_work():
            db.session.execute(text(statement))


@given(debit=st.sampled_from(Side), credit=st.sampled_from(Side), amount=st.integers(1, 10**12))
def test_a_posting_takes_from_one_side_what_it_gives_to_the_other(
    debit: Side, credit: Side, amount: int
) -> None:
    if debit == credit:
        return
    moved = effects(debit, credit, amount)
    assert set(moved) <= set(CUSTOMER_SIDES)
    assert all(abs(delta) == amount for delta in moved.values())
    assert moved.get(Side.PREPAID, 0) == amount * ((credit == Side.PREPAID) - (debit == Side.PREPAID))
    assert moved.get(Side.RECEIVABLE, 0) == amount * (
        (debit == Side.RECEIVABLE) - (credit == Side.RECEIVABLE)
    )


@pytest.mark.parametrize("amount", [0, -1])
def test_a_posting_moves_a_positive_amount(amount: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        paid(1, "x", amount)


def test_verification_counts_what_it_saw(customer_id: int) -> None:
    with unit_of_work():
        service.lock_balance(customer_id)
        service.post(paid(customer_id, "topup-1-paid"))
    found = verify_all()
    assert (found.transfers, found.differences) == (1, ())


def as_owner(app: Flask, statement: str) -> None:
    """What only somebody with the owner's password could do."""
    import psycopg

    with psycopg.connect(app.extensions["settings"].owner_database_url) as connection:
        connection.execute(statement)

"""Bank statements are read once, however often they come; the money lands like every payment."""

import threading
from collections.abc import Callable
from contextvars import Context
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from app import mail
from app.clock import utc_now
from app.customers.sign_in import add_member, create_user
from app.db import db, in_unit_of_work, unit_of_work
from app.i18n import local_date
from app.ledger import books
from app.ledger.service import HOUSE_CUSTOMER_ID, find_transfer
from app.ledger.sides import Side
from invoicing import bank_booking, bank_import, bank_reading, service
from invoicing.bank_matching import Match, Rule
from invoicing.bank_models import BankEntry, PayerAccount
from invoicing.references import spaced, top_up_reference_of
from invoicing.shapes import payment_reference
from tests.fixtures.shop import AFTER_OCTOBER, Shop
from tests.invoicing.statements import ANNA, BRAM, MOLLIE, Ntry, Stmt, Tx, camt, paid, statement
from tests.portal.people import PASSWORD, sign_in
from topups import service as topups


@pytest.fixture
def bank(shop: Shop) -> Shop:
    """October is closed: acme and bravo owe €42.40 each for it."""
    for reference in ("acme", "bravo"):
        shop.customer(reference, locale="en")
        shop.use_42_40(reference)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    return shop


def read(content: bytes) -> bank_reading.Report:
    run = in_unit_of_work(bank_import.read_file, content, "nov.xml", imported_by="tests")
    bank_import.match_new(run)
    db.session.rollback()
    return bank_reading.report(run)


def counts(report: bank_reading.Report) -> tuple[int, int, int, int, int]:
    """Booked, matched, queued, others, duplicates."""
    return report.booked, report.matched, report.queued, report.others, report.duplicates


def entries() -> list[BankEntry]:
    db.session.rollback()
    query = select(BankEntry).order_by(BankEntry.booked_on, BankEntry.amount_micros)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def state(shop: Shop, reference: str = "acme") -> tuple[int, int, int]:
    """Outstanding on the invoice, receivable and prepaid, in cents."""
    invoice, balance = shop.invoice(reference), shop.balance(reference)
    amounts = (invoice.outstanding_micros, balance.receivable_micros, balance.prepaid_micros)
    return amounts[0] // 10_000, amounts[1] // 10_000, amounts[2] // 10_000


def bank_cents() -> int:
    """What our account holds by the ledger."""
    db.session.rollback()
    return -books.balances_on(local_date(utc_now()))[Side.BANK] // 10_000


def test_a_transfer_settles_the_invoice_that_its_reference_names(bank: Shop) -> None:
    reference = spaced(payment_reference(bank.invoice("acme")) or "")
    assert counts(read(statement(paid("42.40", f"betaling {reference}", reference="A")))) == (1, 1, 0, 0, 0)
    assert state(bank) == (0, 0, 0)
    (payment,) = topups.top_ups(bank.customers["acme"])
    assert (payment.purpose, payment.method, payment.status) == ("invoice", "banktransfer", "paid")
    assert payment.invoice_number == bank.invoice("acme").number
    assert (entries()[0].status, entries()[0].rule) == ("matched", "reference")
    assert bank_cents() == 4240
    bank.run_jobs()
    assert bank.api.get(f"/v1/invoices/{payment.invoice_number}/paid.pdf").status_code == 200


def test_the_same_file_and_one_that_overlaps_change_nothing(bank: Shop) -> None:
    number = bank.invoice("acme").number
    first = paid("42.40", number, reference="A")
    read(statement(first))
    assert counts(read(statement(first))) == (0, 0, 0, 0, 1)
    later = read(statement(paid("1.00", "who am I"), first, version=8))
    assert counts(later) == (1, 0, 1, 0, 1)
    assert state(bank) == (0, 0, 0)
    assert len(topups.top_ups(bank.customers["acme"])) == 1


def test_two_who_read_the_same_file_at_once_book_it_once(bank: Shop) -> None:
    content = statement(
        paid("42.40", bank.invoice("acme").number), paid("42.40", bank.invoice("bravo").number)
    )
    db.session.rollback()
    barrier = threading.Barrier(3)
    failures: list[BaseException] = []

    def one() -> None:
        with bank.app.app_context():
            barrier.wait()
            try:
                read(content)
            except BaseException as error:  # noqa: BLE001 -- told to the test
                failures.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=Context().run, args=(one,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    bank_import.match_new()
    assert (state(bank), state(bank, "bravo")) == ((0, 0, 0), (0, 0, 0))
    assert bank_cents() == 8480


def test_a_run_that_died_before_matching_is_finished_later(bank: Shop) -> None:
    content = statement(paid("42.40", bank.invoice("acme").number))
    run = in_unit_of_work(bank_import.read_file, content, "nov.xml", imported_by="tests")
    assert (bank_reading.report(run).waiting, state(bank)) == (1, (4240, 4240, 0))
    from invoicing import bank_jobs

    bank_jobs.match_waiting()
    bank_jobs.match_run(str(run))
    assert state(bank) == (0, 0, 0)


def test_the_customers_own_reference_fills_the_balance_by_standing_order(bank: Shop) -> None:
    reference = top_up_reference_of(bank.customers["acme"])
    months = [paid("25.00", structured=reference, reference=f"M{month}") for month in (1, 2)]
    assert counts(read(statement(*months))) == (2, 2, 0, 0, 0)
    assert state(bank) == (4240, 4240, 5000)
    assert {payment.purpose for payment in topups.top_ups(bank.customers["acme"])} == {"balance"}


def test_the_customer_and_its_programs_read_that_reference(bank: Shop) -> None:
    reference = top_up_reference_of(bank.customers["acme"])
    told = bank.api.get("/v1/customers/acme/bank-transfer").get_json()
    assert (told["reference"], told["account_holder"]) == (reference, "Tegoed B.V.")
    with unit_of_work():
        user = create_user("anna@acme.example", "Anna", locale="en", password=PASSWORD)
        add_member(bank.customers["acme"], user)
    client = bank.app.test_client()
    sign_in(client, "anna@acme.example")
    assert spaced(reference) in client.get("/top-up").text


def test_too_much_goes_to_the_balance(bank: Shop) -> None:
    read(statement(paid("50.00", bank.invoice("acme").number)))
    assert state(bank) == (0, 0, 760)


def test_a_known_account_that_pays_the_exact_amount_is_recognised(bank: Shop) -> None:
    assert counts(read(statement(paid("42.40", "oktober", iban=ANNA)))) == (1, 0, 1, 0, 0)
    read(statement(paid("1.00", bank.invoice("acme").number, iban=ANNA)))
    assert counts(read(statement(paid("41.40", "rest", iban=ANNA)))) == (1, 1, 0, 0, 0)
    assert state(bank) == (0, 0, 0)
    assert [e.rule for e in entries() if e.amount_micros == 41_400_000] == ["account_and_amount"]


def test_a_batch_is_matched_payment_by_payment(bank: Shop) -> None:
    batch = Ntry(
        txs=(
            Tx(amount="42.40", text=bank.invoice("acme").number, iban=ANNA),
            Tx(amount="42.40", text=bank.invoice("bravo").number, iban=BRAM),
            Tx(amount="3.00", text="?"),
        ),
        reference="B",
    )
    assert counts(read(statement(batch))) == (3, 2, 1, 0, 0)
    assert (state(bank), state(bank, "bravo")) == ((0, 0, 0), (0, 0, 0))
    # A bank that tells it without its parts tells nothing new.
    whole = Ntry(txs=(Tx(amount="87.80"),), reference="B")
    assert counts(read(statement(whole))) == (0, 0, 0, 0, 1)


def test_a_batch_that_does_not_add_up_waits_for_a_person(bank: Shop) -> None:
    txs = (Tx(amount="42.40", text=bank.invoice("acme").number), Tx(amount="1.00"))
    assert counts(read(statement(Ntry(txs=txs, amount="43.00")))) == (1, 0, 1, 0, 0)
    assert state(bank) == (4240, 4240, 0)


def test_a_reversal_takes_the_money_back_once(bank: Shop) -> None:
    payment = paid("50.00", bank.invoice("acme").number, end_to_end="E1")
    back = Ntry(txs=(Tx(amount="50.00", end_to_end="E1"),), sign="DBIT", reversal=True)
    assert counts(read(statement(payment, back))) == (2, 2, 0, 0, 0)
    assert state(bank) == (4240, 4240, 0)
    assert bank_cents() == 0
    (told,) = [one for one in mail.mail_log() if one.template == "chargeback"]
    assert "€50.00" in told.text_body
    assert counts(read(statement(payment, back))) == (0, 0, 0, 0, 2)
    again = Ntry(txs=(Tx(amount="50.00", end_to_end="E1"),), sign="DBIT", reversal=True, reference="other")
    assert counts(read(statement(again))) == (1, 0, 1, 0, 0)
    assert state(bank) == (4240, 4240, 0)


def test_a_payment_that_is_reversed_before_anybody_matched_it_leaves_the_queue(bank: Shop) -> None:
    payment = paid("9.99", "no clue", end_to_end="E1")
    read(statement(payment))
    back = Ntry(txs=(Tx(amount="9.99", end_to_end="E1"),), sign="DBIT", reversal=True)
    read(statement(back))
    assert [entry.status for entry in entries()] == ["returned", "returned"]
    wrong = Match(Rule.OPERATOR, bank.customers["acme"], None)
    with pytest.raises(bank_booking.EntryDecided):
        in_unit_of_work(bank_booking.give, entries()[1].entry_id, wrong, actor="sam")


def test_mollies_payouts_are_nobodys_payment_and_what_we_pay_is_ours(bank: Shop) -> None:
    payout = paid("100.00", "7123.2611.03", iban=MOLLIE, name="Stichting Mollie Payments", reference="P")
    ours = Ntry(txs=(Tx(amount="12.00", iban=BRAM, name="Landlord"),), sign="DBIT", reference="O")
    assert counts(read(statement(payout, ours))) == (2, 0, 0, 2, 0)
    assert bank_cents() == 10_000
    assert -books.balances_on(local_date(utc_now()))[Side.PSP] // 10_000 == -10_000
    (entry,) = [e for e in entries() if e.status == "payout"]
    assert find_transfer(HOUSE_CUSTOMER_ID, f"payout-{entry.entry_id}-1") is not None
    in_unit_of_work(bank_booking.undo, entry.entry_id, actor="sam")
    assert bank_cents() == 0


def test_money_of_ours_that_comes_back_waits_for_a_person(bank: Shop) -> None:
    back = Ntry(txs=(Tx(amount="42.40", text=bank.invoice("acme").number),), reversal=True)
    assert counts(read(statement(back))) == (1, 0, 1, 0, 0)


def test_an_unknown_account_is_refused_and_nothing_of_the_file_is_kept(bank: Shop) -> None:
    known, unknown = Stmt(entries=(paid("1.00"),)), Stmt(entries=(paid("2.00"),), iban=BRAM)
    with pytest.raises(bank_import.UnknownAccount):
        read(camt(known, unknown))
    with pytest.raises(bank_import.StatementRefused):
        read(statement(paid("1.00")).replace(b'"EUR"', b'"USD"'))
    with pytest.raises(bank_import.StatementRefused):
        read(b"%PDF")
    assert entries() == []


def test_a_closed_customers_reference_waits_for_a_person(bank: Shop) -> None:
    customer_id = bank.customer("gone")
    in_unit_of_work(topups.close_customer, customer_id)
    assert counts(read(statement(paid("5.00", structured=top_up_reference_of(customer_id))))) == (
        1,
        0,
        1,
        0,
        0,
    )


def give(
    bank: Shop, entry: BankEntry, reference: str, number: str | None = None, *, rule: Rule = Rule.OPERATOR
) -> None:
    match = Match(rule, bank.customers[reference], number)
    in_unit_of_work(bank_booking.give, entry.entry_id, match, actor="Sam Staff")


def test_money_without_a_purpose_settles_the_oldest_invoice_first(bank: Shop) -> None:
    read(statement(paid("50.00", "thanks")))
    give(bank, entries()[0], "acme")
    assert state(bank) == (0, 0, 760)
    assert entries()[0].invoice_number == bank.invoice("acme").number


def test_what_an_operator_gives_to_the_balance_stays_there(bank: Shop) -> None:
    read(statement(paid("50.00", "thanks")))
    give(bank, entries()[0], "acme", rule=Rule.BALANCE_REFERENCE)
    assert state(bank) == (4240, 4240, 5000)


def test_a_wrong_assignment_is_undone_by_moving_the_money_back(bank: Shop) -> None:
    read(statement(paid("50.00", "thanks", iban=BRAM)))
    (entry,) = entries()
    give(bank, entry, "acme")
    assert db.session.get(PayerAccount, (BRAM, bank.customers["acme"])) is not None
    in_unit_of_work(bank_booking.undo, entry.entry_id, actor="Sam Staff")
    assert state(bank) == (4240, 4240, 0)
    assert db.session.get(PayerAccount, (BRAM, bank.customers["acme"])) is None
    with pytest.raises(bank_booking.EntryDecided):
        in_unit_of_work(bank_booking.undo, entry.entry_id, actor="Sam Staff")
    give(bank, entries()[0], "bravo", bank.invoice("bravo").number)
    in_unit_of_work(bank_booking.undo, entry.entry_id, actor="Sam Staff")
    give(bank, entries()[0], "bravo")
    assert (state(bank), state(bank, "bravo")) == ((4240, 4240, 0), (0, 0, 760))
    assert bank_cents() == 5000
    actions = [(event.action, event.actor) for event in bank_booking.events_of(entry.entry_id)]
    assert actions[:3] == [("queued", "matching"), ("matched", "Sam Staff"), ("undone", "Sam Staff")]


def test_what_the_bank_took_back_cannot_be_undone_but_the_taking_back_can(bank: Shop) -> None:
    payment = paid("42.40", bank.invoice("acme").number, end_to_end="E1")
    back = Ntry(txs=(Tx(amount="42.40", end_to_end="E1"),), sign="DBIT", reversal=True)
    read(statement(payment, back))
    taken, came = entries()
    with pytest.raises(bank_booking.NotUndoable):
        in_unit_of_work(bank_booking.undo, came.entry_id, actor="sam")
    in_unit_of_work(bank_booking.undo, taken.entry_id, actor="sam")
    assert state(bank) == (0, 0, 0)
    in_unit_of_work(bank_booking.take_back, taken.entry_id, came.entry_id, actor="sam")
    assert state(bank) == (4240, 4240, 0)
    in_unit_of_work(bank_booking.undo, taken.entry_id, actor="sam")
    in_unit_of_work(bank_booking.undo, came.entry_id, actor="sam")
    assert state(bank) == (4240, 4240, 0)
    assert [entry.status for entry in entries()] == ["queued", "queued"]


def test_two_operators_who_decide_at_once_give_it_once(bank: Shop) -> None:
    read(statement(paid("50.00", "thanks")))
    (entry,) = entries()
    entry_id = entry.entry_id
    db.session.rollback()
    barrier = threading.Barrier(2)
    refused: list[str] = []

    def one(decide: Callable[[], object]) -> None:
        with bank.app.app_context():
            barrier.wait()
            try:
                in_unit_of_work(decide)
            except bank_booking.EntryDecided as error:
                refused.append(error.code)
            finally:
                db.session.remove()

    decisions = [
        partial(bank_booking.give, entry_id, Match(Rule.OPERATOR, bank.customers[who], None), actor=who)
        for who in ("acme", "bravo")
    ]
    threads = [threading.Thread(target=Context().run, args=(one, decision)) for decision in decisions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["bank_entry_decided"]
    assert bank_cents() == 5000


def test_the_command_reads_files_and_says_what_became_of_them(bank: Shop, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_bytes(statement(paid("42.40", bank.invoice("acme").number), paid("1.00", "?")))
    bad.write_bytes(b"no xml")
    result = bank.runner.invoke(args=["invoicing", "import-bank", str(bad), str(good)])
    assert result.exit_code == 1
    assert "bad.xml: refused. The file is not well-formed XML." in result.stderr
    assert "good.xml: 2 booked, 1 matched, 1 queued, 0 other, 0 duplicates" in result.stdout
    again = bank.runner.invoke(args=["invoicing", "import-bank", str(good)])
    assert (again.exit_code, "0 booked" in again.stdout, "2 duplicates" in again.stdout) == (0, True, True)
    assert service.status_now(bank.invoice("acme")) == "paid"

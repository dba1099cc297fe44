"""Beside usage: payment fees, which were paid already, and charges, which the close debits."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import utc_now
from app.db import in_unit_of_work
from app.i18n import in_locale
from app.ledger.sides import Side
from app.money import micros_of_cents
from invoicing import extras, runs, wording
from invoicing.billing import Charge, PaidFees, PeriodFacts, Prepared, prepare
from invoicing.due import settle
from invoicing.lines import MeterUsage, Part, charge_line, fee_line
from invoicing.tax import Treatment
from invoicing.ubl.document import profile, xml_of
from invoicing.ubl.rules import problems_of
from tests.fixtures.extras import EURO, Charges, pay_fee, take_fee_back
from tests.fixtures.shop import AFTER_OCTOBER, Shop

NL = Treatment("S", Decimal(21))
ON_THE_12TH = date(2026, 10, 12)
IN_NOVEMBER = datetime(2026, 11, 20, 9, tzinfo=UTC)
AFTER_NOVEMBER = datetime(2026, 12, 1, 5, tzinfo=UTC)


@pytest.fixture
def charges() -> Iterator[Charges]:
    source = Charges()
    extras.add_charge_source("test", source)
    yield source
    extras._sources.pop("test")


def test_paid_fees_are_a_line_of_their_own_and_never_due(shop: Shop) -> None:
    acme = shop.customer("acme")
    shop.use_42_40("acme")
    pay_fee(acme, shop.clock.now(), 145, 25)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    fees = invoice.lines[-1]
    assert (fees.kind, fees.net_cents, fees.names["nl"]) == ("fees", 120, "Betaalkosten")
    assert (invoice.total_cents, invoice.prepaid_cents, invoice.due_cents) == (4385, 2500 + 145, 1740)
    with in_locale("en"):
        assert wording.settled_sentence(invoice) == "€26.45 has been paid already."
    assert shop.balance("acme").prepaid_micros == 0
    assert [shop.side("acme", side) for side in (Side.UNBILLED_USAGE, Side.FEES)] == [0, 0]
    assert shop.side("acme", Side.REVENUE) + shop.side("acme", Side.VAT) == 43_850_000
    assert problems_of(xml_of(invoice), profile(invoice)) == []


def test_fees_alone_are_an_invoice_that_was_paid(shop: Shop) -> None:
    acme = shop.customer("acme")
    pay_fee(acme, shop.clock.now(), 145, 25)
    shop.clock.travel_to(AFTER_OCTOBER)
    assert "1 of 1 customers closed, 1 documents" in shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.total_cents, invoice.prepaid_cents, invoice.due_cents) == (145, 145, 0)
    assert shop.balance("acme").prepaid_micros == 25 * EURO
    assert invoice.balance == {"opening": 0, "top_ups": 25 * EURO, "closing": 25 * EURO, "usage": 0}
    assert problems_of(xml_of(invoice), profile(invoice)) == []
    assert "0 of 0 customers" in shop.close()
    assert runs.start_due(AFTER_OCTOBER) == []


def catch_up() -> None:
    """What the scheduler does when it comes back after some months."""
    for run in in_unit_of_work(runs.start_due, utc_now()):
        for position in runs.open_chunks(run):
            runs.work_on(run, position)


def test_fees_and_empty_periods_are_billed_however_long_nobody_closed(shop: Shop) -> None:
    acme = shop.customer("acme")
    shop.customer("bravo", invoice_empty_periods=True)
    pay_fee(acme, shop.clock.now(), 145, 25)
    shop.clock.travel_to(datetime(2028, 2, 3, 9, tzinfo=UTC))
    catch_up()
    assert [(one.total_cents, one.period_start) for one in shop.invoices("acme")] == [
        (145, date(2026, 10, 1))
    ]
    months = [one.period_start for one in shop.invoices("bravo")]
    assert (len(months), min(months), max(months)) == (16, date(2026, 10, 1), date(2028, 1, 1))
    catch_up()
    assert len(shop.invoices("bravo")) == 16
    assert in_unit_of_work(runs.start_due, utc_now()) == []


def test_who_asks_for_empty_invoices_gets_none_of_months_that_were_closed_long_ago(shop: Shop) -> None:
    shop.customer("acme")
    shop.customer("bravo")
    for month in (10, 11, 12):
        shop.clock.travel_to(datetime(2026, month, 20, 9, tzinfo=UTC))
        shop.use("bravo", prompt=5_000_000, at=shop.clock.now())
    for month in (1, 2, 3):
        shop.clock.travel_to(datetime(2027, month, 1, 9, tzinfo=UTC))
        catch_up()
    answer = shop.api.patch("/v1/customers/acme", json={"invoice_empty_periods": True})
    assert answer.status_code == 200, answer.text
    catch_up()
    # The latest two, as ever.
    assert [one.period_start.month for one in shop.invoices("acme")] == [1, 2]


def test_a_fee_that_was_taken_back_after_its_invoice_is_a_credit_note_on_the_next(shop: Shop) -> None:
    acme = shop.customer("acme")
    top_up_id = pay_fee(acme, shop.clock.now(), 145, 25)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.clock.travel_to(IN_NOVEMBER)
    take_fee_back(acme, top_up_id, 145)
    shop.clock.travel_to(AFTER_NOVEMBER)
    shop.close("2026-11")
    note = shop.invoices("acme")[1]
    assert (note.kind, note.total_cents, note.prepaid_cents, note.due_cents) == ("credit_note", 145, 145, 0)
    assert (note.reason, note.original_number) == ("Betaalkosten teruggegeven", "F2026-000001")
    assert problems_of(xml_of(note), profile(note)) == []
    assert [shop.side("acme", side) for side in (Side.UNBILLED_USAGE, Side.FEES, Side.REVENUE)] == [0, 0, 0]
    assert shop.balance("acme").prepaid_micros == 25 * EURO


def test_a_charge_is_debited_by_the_close_and_settled_like_usage(shop: Shop, charges: Charges) -> None:
    acme = shop.customer("acme")
    shop.top_up("acme", 60)
    shop.use_42_40("acme")
    charges.add(acme, "setup-1", "50.00", ON_THE_12TH)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    line = invoice.lines[-1]
    with in_locale("en"):
        assert wording.description(line) == "Installation, 12 October 2026"
    assert (line.kind, line.net_cents, line.tax_percent) == ("charge", 5000, Decimal(21))
    assert (invoice.total_cents, invoice.prepaid_cents, invoice.due_cents) == (10290, 6000, 4290)
    assert invoice.balance == {
        "opening": 0,
        "top_ups": 60 * EURO,
        "usage": -42_400_000,
        "charges": -60_500_000,
        "invoiced": 42_900_000,
        "closing": 0,
    }
    assert charges.billed == {"setup-1": date(2026, 10, 1)}
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert problems_of(xml_of(invoice), profile(invoice)) == []


def test_a_charge_without_usage_is_invoiced_once_with_the_month_that_ended(
    shop: Shop, charges: Charges
) -> None:
    acme = shop.customer("acme")
    charges.add(acme, "setup-1", "0.25", ON_THE_12TH, quantity=Decimal(40), unit="hour", description="Work")
    charges.add(acme, "later", "10.00", date(2026, 11, 1))
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.total_cents, invoice.due_cents) == (1210, 1210)
    assert shop.balance("acme").receivable_micros == 12_100_000
    shop.clock.travel_to(AFTER_NOVEMBER)
    shop.close("2026-11")
    assert [one.total_cents for one in shop.invoices("acme")] == [1210, 1210]
    assert set(charges.billed) == {"setup-1", "later"}


def test_a_charge_that_gives_back_lessens_the_total_and_is_valid(shop: Shop, charges: Charges) -> None:
    acme = shop.customer("acme")
    shop.use_42_40("acme")
    charges.add(acme, "sorry-1", "-10.00", ON_THE_12TH, description="Compensation")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    line = invoice.lines[-1]
    assert (line.quantity, line.unit_price) == (Decimal(-1), Decimal(10))
    assert (invoice.total_cents, invoice.due_cents) == (3030, 3030)
    assert problems_of(xml_of(invoice), profile(invoice)) == []


def test_months_caught_up_together_bill_a_charge_once(shop: Shop, charges: Charges) -> None:
    acme = shop.customer("acme")
    shop.use("acme", prompt=5_000_000)
    charges.add(acme, "setup-1", "50.00", ON_THE_12TH)
    shop.clock.travel_to(IN_NOVEMBER)
    shop.use("acme", prompt=5_000_000, at=IN_NOVEMBER)
    shop.clock.travel_to(AFTER_NOVEMBER)
    for run in in_unit_of_work(runs.start_due, AFTER_NOVEMBER - timedelta(hours=1)):
        for position in runs.open_chunks(run):
            runs.work_on(run, position)
    assert [one.net_cents for one in shop.invoices("acme")] == [6000, 1000]
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0


def test_the_coming_invoice_shows_fees_and_charges(shop: Shop, charges: Charges) -> None:
    acme = shop.customer("acme")
    shop.use_42_40("acme")
    pay_fee(acme, shop.clock.now(), 145, 25)
    charges.add(acme, "setup-1", "50.00", ON_THE_12TH)
    shop.clock.travel_to(AFTER_OCTOBER)
    result = shop.runner.invoke(args=["invoicing", "preview", "--customer", "acme"])
    shop.close()
    invoice = shop.invoice("acme")
    assert "Payment fees" in result.output
    assert "€104.35" in result.output
    assert invoice.total_cents == 10435
    assert f"€{invoice.due_cents / 100:.2f}" in result.output


def test_whatever_is_billed_together_nothing_stays_unbilled_and_the_balance_adds_up(
    shop: Shop, charges: Charges
) -> None:
    chance = random.Random(20261101)  # noqa: S311  # a story's chance, no secret
    references = [f"customer-{number}" for number in range(12)]
    for reference in references:
        halves = chance.random() < 0.5
        customer_id = shop.customer(reference, billing_cycle="half_monthly" if halves else "monthly")
        if chance.random() < 0.5:
            shop.grant(reference, chance.randint(1, 900) / 100)
        if chance.random() < 0.5:
            shop.top_up(reference, chance.randint(1, 9000) / 100)
        for number in range(chance.randint(0, 3)):
            net = str(Decimal(chance.randint(-300, 4000)).scaleb(-2))
            charges.add(customer_id, f"{reference}-{number}", net, date(2026, 10, chance.randint(1, 31)))
        for _ in range(chance.randint(0, 3)):
            net_cents = chance.randint(1, 300)
            vat_cents = round(net_cents * 21 / 100)
            pay_fee(customer_id, shop.clock.now(), net_cents + vat_cents, vat_cents)
        if chance.random() < 0.8:
            shop.use(reference, prompt=chance.randint(1, 20_000_000), generated=chance.randint(0, 300_000))
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    for reference in references:
        sides = {side: shop.side(reference, side) for side in Side}
        assert (sides[Side.UNBILLED_USAGE], sides[Side.FEES]) == (0, 0)
        issued = shop.invoices(reference)
        for one in issued:
            assert sum(v for row, v in one.balance.items() if row != "closing") == one.balance["closing"]
            assert problems_of(xml_of(one), profile(one)) == []
        turned = [(-1 if one.kind == "credit_note" else 1, one) for one in issued]
        totals = sum(sign * one.total_cents for sign, one in turned)
        assert sides[Side.REVENUE] + sides[Side.VAT] == micros_of_cents(totals)
        assert sides[Side.VAT] == micros_of_cents(sum(sign * one.vat_cents for sign, one in turned))
        assert all(one.due_cents <= one.total_cents for one in issued)


usages = st.lists(
    st.builds(
        MeterUsage,
        meter=st.just("m"),
        names=st.just({"en": "M", "nl": "M"}),
        unit=st.just("token"),
        treatment=st.just(NL),
        parts=st.lists(
            st.builds(
                Part, quantity=st.decimals(0, 10**6, places=3), unit_amount=st.decimals(0, 10, places=6)
            ),
            max_size=3,
        ).map(tuple),
    ),
    max_size=4,
).map(tuple)
nets = st.decimals(-(10**4), 10**4, places=2)


def facts_of(
    usage: tuple[MeterUsage, ...], debited: int, promo: int, fee_cents: int, charged: list[Decimal]
) -> PeriodFacts:
    fees = PaidFees(fee_line(gross_cents=fee_cents, treatment=NL, names={}), micros_of_cents(fee_cents))
    lines = [
        charge_line(
            quantity=Decimal(1),
            unit_price=net,
            treatment=NL,
            names={},
            supplied=(ON_THE_12TH, ON_THE_12TH),
        )
        for net in charged
    ]
    return PeriodFacts(
        customer_id=1,
        period_start=date(2026, 10, 1),
        period_end=date(2026, 11, 1),
        usage=usage,
        corrections=(),
        prepaid_debited_micros=debited,
        promo_debited_micros={NL: promo} if promo else {},
        fees=fees if fee_cents else None,
        charges=tuple(Charge("test", str(position), line) for position, line in enumerate(lines)),
    )


prepared_periods = st.builds(
    lambda *parts: prepare(facts_of(*parts)),
    usages,
    st.integers(0, 10**10),
    st.integers(0, 10**8),
    st.integers(-(10**4), 10**5),
    st.lists(nets, max_size=3),
)


@given(prepared_periods)
def test_the_lines_are_always_what_is_taxed(prepared: Prepared) -> None:
    assert prepared.totals.lines_cents == sum(line.net_cents for line in prepared.lines)


@given(prepared_periods, st.integers(-(10**10), 10**10), st.integers(0, 10**9))
def test_what_fees_paid_is_never_asked_again(prepared: Prepared, balance: int, credits_left: int) -> None:
    total = prepared.totals.total_cents
    settled = settle(
        total_cents=total,
        credits_micros=credits_left,
        balance_micros=balance,
        small_due_micros=EURO,
        paid_cents=prepared.paid_cents,
    )
    assert settled.due_cents + settled.credits_used_cents <= max(0, total - max(0, prepared.paid_cents))
    assert settled.due_cents <= max(0, total)


@given(st.integers(-(10**7), 10**7))
def test_a_fee_line_is_what_was_paid_but_for_half_a_cent_of_vat(fee_cents: int) -> None:
    line = fee_line(gross_cents=fee_cents, treatment=NL, names={})
    assert abs(line.net_cents * Decimal("1.21") - fee_cents) <= Decimal("0.605")
    assert line.quantity * line.unit_price * 100 == line.net_cents

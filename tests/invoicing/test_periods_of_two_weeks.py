"""Invoices every two weeks, beside those of months; and invoices of nothing where they are asked for."""

from datetime import UTC, date, datetime

import pytest

from app.db import in_unit_of_work
from app.i18n import in_locale
from app.ledger.sides import Side
from invoicing import reading, runs, service, wording
from invoicing.ubl.document import profile, xml_of
from invoicing.ubl.rules import problems_of
from tests.fixtures.shop import AFTER_OCTOBER, EURO, OCTOBER, Shop

SIXTEENTH = date(2026, 10, 16)
NOVEMBER = date(2026, 11, 1)
ON_THE_17TH = datetime(2026, 10, 17, 5, tzinfo=UTC)
LATER = datetime(2026, 10, 20, 9, tzinfo=UTC)


@pytest.fixture
def halves(shop: Shop) -> Shop:
    """Bravo is invoiced every two weeks and uses something in both halves of October, acme by month."""
    shop.customer("acme")
    shop.customer("bravo", billing_cycle="half_monthly")
    for reference in ("acme", "bravo"):
        shop.top_up(reference, 10)
        shop.use(reference, prompt=5_000_000)
    shop.clock.travel_to(ON_THE_17TH)
    return shop


def start_due(shop: Shop, moment: datetime) -> None:
    for run_id in in_unit_of_work(runs.start_due, moment):
        for position in runs.open_chunks(run_id):
            runs.work_on(run_id, position)


def test_the_first_half_is_closed_while_the_month_goes_on(halves: Shop) -> None:
    assert "1 of 1 customers closed, 1 documents" in halves.close()
    assert halves.invoices("acme") == []
    invoice = halves.invoice("bravo")
    assert (invoice.period_start, invoice.period_end) == (OCTOBER, SIXTEENTH)
    with in_locale("en"):
        assert wording.period_text(invoice.period_start, invoice.period_end) == "1–15 October 2026"
        assert wording.balance_title(invoice) == "Your balance, 1–15 October 2026"
    xml = xml_of(invoice).decode()
    assert "<cbc:StartDate>2026-10-01</cbc:StartDate>" in xml
    assert "<cbc:EndDate>2026-10-15</cbc:EndDate>" in xml
    assert problems_of(xml.encode(), profile(invoice)) == []
    assert "0 of 0 customers" in halves.close()
    assert "1 of 1" not in halves.close("2026-10", "--customer", "acme")


def test_the_schedule_closes_each_half_when_it_has_ended(halves: Shop) -> None:
    start_due(halves, ON_THE_17TH)
    assert len(halves.invoices("bravo")) == 1
    halves.clock.travel_to(LATER)
    halves.use("bravo", prompt=5_000_000, at=LATER)
    start_due(halves, LATER)
    assert len(halves.invoices("bravo")) == 1
    halves.clock.travel_to(AFTER_OCTOBER)
    start_due(halves, AFTER_OCTOBER)
    first, second = halves.invoices("bravo")
    assert (second.period_start, second.period_end) == (SIXTEENTH, NOVEMBER)
    assert first.balance["closing"] == second.balance["opening"] == 0
    assert halves.side("bravo", Side.UNBILLED_USAGE) == 0
    assert halves.invoice("acme").period_end == NOVEMBER


def test_both_halves_are_caught_up_in_order_by_one_command(halves: Shop) -> None:
    halves.clock.travel_to(LATER)
    halves.use("bravo", prompt=5_000_000, at=LATER)
    halves.grant("bravo", 1)
    halves.clock.travel_to(AFTER_OCTOBER)
    halves.close()
    first, second = halves.invoices("bravo")
    assert [one.period_start for one in (first, second)] == [OCTOBER, SIXTEENTH]
    assert [one.due_cents for one in (first, second)] == [210, 1210]
    assert first.balance["closing"] == second.balance["opening"]
    assert halves.balance("bravo").prepaid_micros == 0


def test_usage_after_the_first_half_was_closed_corrects_the_second(halves: Shop) -> None:
    halves.close()
    halves.use("bravo", prompt=1_000_000)
    halves.clock.travel_to(AFTER_OCTOBER)
    halves.close()
    second = halves.invoices("bravo")[1]
    line = second.lines[0]
    assert (line.kind, line.net_cents, line.correction_of) == ("correction", 200, "2026-10-01")
    assert reading.number_of_period(halves.customers["bravo"], OCTOBER) == "F2026-000001"


def test_the_itemised_file_of_a_half_has_its_events_alone(halves: Shop) -> None:
    halves.clock.travel_to(LATER)
    halves.use("bravo", prompt=5_000_000, at=LATER)
    halves.clock.travel_to(AFTER_OCTOBER)
    halves.close()
    first, second = halves.invoices("bravo")
    for invoice, at in ((first, "2026-10-12"), (second, "2026-10-20")):
        lines = halves.api.get(f"/v1/invoices/{invoice.number}.csv").text.splitlines()[1:]
        assert lines
        assert all(line.startswith(at) for line in lines)


def test_each_line_leads_to_the_events_of_its_half(halves: Shop) -> None:
    halves.close()
    (line,) = [one for one in service.to_json(halves.invoice("bravo"))["lines"] if one["kind"] == "units"][:1]
    assert "period=2026-10-01" in line["events_url"]
    assert halves.api.get(line["events_url"]).status_code == 200


def test_the_coming_invoice_is_that_of_the_half(halves: Shop) -> None:
    halves.close()
    halves.clock.travel_to(LATER)
    assert service.upcoming(halves.account("bravo")) is None
    halves.use("bravo", prompt=1_000_000, at=LATER)
    coming = service.upcoming(halves.account("bravo"))
    assert coming is not None
    assert (coming.period_start, coming.period_end, coming.net_cents) == (SIXTEENTH, NOVEMBER, 200)


def test_a_month_that_goes_on_is_refused_where_nobody_has_two_weeks(shop: Shop) -> None:
    shop.customer("acme")
    shop.use("acme", prompt=5_000_000)
    shop.clock.travel_to(ON_THE_17TH)
    result = shop.runner.invoke(args=["invoicing", "close", "--period", "2026-10"])
    assert result.exit_code == 1


def test_an_empty_period_gives_an_invoice_of_nothing_only_when_asked_for(shop: Shop) -> None:
    shop.customer("acme", invoice_empty_periods=True)
    shop.customer("bravo")
    shop.customer(
        "delta", invoice_empty_periods=True, billing_cycle="half_monthly", country="US", locale="en"
    )
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    shop.close()
    assert shop.invoices("bravo") == []
    assert [one.period_end for one in shop.invoices("delta")] == [SIXTEENTH, NOVEMBER]
    invoice = shop.invoice("acme")
    (line,) = invoice.lines
    assert (line.kind, line.names["nl"]) == ("nothing", "Geen verbruik in deze periode")
    assert (invoice.total_cents, invoice.due_cents, invoice.kind) == (0, 0, "invoice")
    assert shop.balance("acme").prepaid_micros == 0
    for one in (invoice, *shop.invoices("delta")):
        assert problems_of(xml_of(one), profile(one)) == []
    # Nothing before they became customers: September is no period of theirs.
    assert in_unit_of_work(runs.start_due, AFTER_OCTOBER) == []


def test_usage_below_a_cent_is_on_the_invoice_that_is_asked_for(shop: Shop) -> None:
    shop.customer("acme", invoice_empty_periods=True)
    shop.top_up("acme", 1)
    shop.use("acme", requests=4)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert [(line.meter, line.net_cents) for line in invoice.lines] == [("requests", 0)]
    assert shop.balance("acme").prepaid_micros == EURO
    assert problems_of(xml_of(invoice), profile(invoice)) == []

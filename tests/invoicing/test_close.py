"""Closing a month: what was used becomes an invoice that agrees with what was debited, once."""

from datetime import UTC, datetime

from app.ledger.sides import Side
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop


def test_the_replay_of_a_month_is_invoiced_at_53_07_and_settled_from_the_balance(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 60)
    shop.replay("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert invoice.number == "F2026-000001"
    assert [line.net_cents for line in invoice.lines] == [2000, 1209, 295, 882]
    assert (invoice.net_cents, invoice.vat_cents, invoice.total_cents) == (4386, 921, 5307)
    assert (invoice.prepaid_cents, invoice.due_cents) == (5307, 0)
    assert shop.balance("acme").prepaid_micros == 60 * EURO - 53_070_000
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert (shop.side("acme", Side.REVENUE), shop.side("acme", Side.VAT)) == (43_860_000, 9_210_000)


def test_what_the_balance_lacked_is_due_and_moves_to_the_receivable(shop: Shop) -> None:
    shop.customer("acme", payment_term_days=30)
    shop.top_up("acme", 30)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.prepaid_cents, invoice.due_cents) == (3000, 1240)
    assert (invoice.due_date - invoice.issue_date).days == 30
    balance = shop.balance("acme")
    assert (balance.prepaid_micros, balance.receivable_micros) == (0, 12_400_000)


def test_closing_again_changes_nothing(shop: Shop) -> None:
    shop.customer("acme")
    shop.use("acme", prompt=5_000_000)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    before = shop.balance("acme")
    shop.close()
    shop.close("2026-10", "--customer", "acme")
    assert shop.balance("acme") == before
    assert len(shop.invoices("acme")) == 1


def test_a_period_that_has_not_ended_is_refused(shop: Shop) -> None:
    shop.customer("acme")
    shop.use("acme", prompt=5_000_000)
    shop.clock.travel_to(datetime(2026, 10, 31, 22, 59, tzinfo=UTC))
    result = shop.runner.invoke(args=["invoicing", "close", "--period", "2026-10"])
    assert result.exit_code == 1
    assert "has not ended" in result.output
    assert shop.invoices("acme") == []
    shop.clock.travel_to(datetime(2026, 10, 31, 23, 1, tzinfo=UTC))
    shop.close()
    assert shop.invoice("acme").period_start.month == 10


def test_a_period_that_is_no_month_is_refused_with_words_that_help(shop: Shop) -> None:
    for period in ("2026-13", "october", "2026-1", "0001-01"):
        result = shop.runner.invoke(args=["invoicing", "close", "--period", period])
        assert result.exit_code == 1
        assert "2026-10" in result.output


def test_only_the_customer_asked_for_is_closed(shop: Shop) -> None:
    for reference in ("acme", "bravo"):
        shop.customer(reference)
        shop.use(reference, prompt=1_000_000)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close("2026-10", "--customer", "bravo")
    assert (len(shop.invoices("acme")), len(shop.invoices("bravo"))) == (0, 1)


def test_less_than_a_euro_stays_on_the_balance(shop: Shop) -> None:
    shop.customer("acme")
    shop.use("acme", requests=1, prompt=400_000)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.total_cents, invoice.due_cents) == (97, 0)
    assert shop.balance("acme").prepaid_micros == -970_000


def test_promotional_credit_is_a_discount_before_vat(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 60)
    shop.grant("acme", 5)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.discount_cents, invoice.vat_cents, invoice.total_cents) == (413, 649, 3740)
    assert shop.balance("acme").prepaid_micros == 60 * EURO - 37_400_000
    assert [shop.side("acme", side) for side in (Side.UNBILLED_USAGE, Side.PROMOTIONS)] == [0, 0]
    assert invoice.balance == {
        "opening": 0,
        "top_ups": 60 * EURO,
        "promotional": 5 * EURO,
        "usage": -42_400_000,
        "closing": 22_600_000,
    }


def test_a_month_paid_by_promotional_credit_alone_is_an_invoice_of_nothing(shop: Shop) -> None:
    shop.customer("acme")
    shop.grant("acme", 20)
    shop.use("acme", prompt=1_234_567)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.net_cents, invoice.discount_cents, invoice.total_cents) == (247, 247, 0)
    assert shop.balance("acme").prepaid_micros == 0
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0


def test_credits_settle_first_and_go_back_to_the_balance_they_spare(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 40)
    shop.post("acme", "credit_note", Side.REVENUE, Side.CREDITS, 20, name="credit-1")
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert (invoice.credits_used_cents, invoice.credits_left_cents) == (2000, 0)
    assert (invoice.prepaid_cents, invoice.due_cents) == (2240, 0)
    balance = shop.balance("acme")
    assert (balance.prepaid_micros, balance.credits_micros) == (17_600_000, 0)


def test_usage_of_the_new_month_is_no_part_of_what_is_due(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 60)
    shop.use_42_40("acme")
    shop.clock.travel_to(datetime(2026, 11, 4, 9, tzinfo=UTC))
    shop.use("acme", prompt=20_000_000, at=datetime(2026, 11, 4, 8, tzinfo=UTC))
    shop.close()
    october = shop.invoice("acme")
    assert (october.total_cents, october.due_cents) == (4240, 0)
    assert october.balance["closing"] == 17_600_000
    shop.clock.travel_to(datetime(2026, 12, 1, 5, tzinfo=UTC))
    shop.close("2026-11")
    november = shop.invoices("acme")[1]
    assert november.number == "F2026-000002"
    assert november.balance["opening"] == 17_600_000
    assert november.due_cents == november.total_cents - 1760
    assert shop.balance("acme").prepaid_micros == 0


def test_a_chargeback_below_zero_is_not_asked_for_on_the_invoice(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 60)
    shop.use_42_40("acme")
    shop.post("acme", "chargeback", Side.PREPAID, Side.PSP, 60, name="chargeback-1")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    invoice = shop.invoice("acme")
    assert invoice.due_cents == 4240
    assert shop.balance("acme").prepaid_micros == 0


def test_a_month_without_usage_gives_no_invoice(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 60)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    assert shop.invoices("acme") == []


def test_usage_that_rounds_to_nothing_gives_no_invoice_and_leaves_nothing_unbilled(shop: Shop) -> None:
    shop.customer("acme")
    shop.top_up("acme", 60)
    shop.use("acme", requests=4)
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    assert shop.invoices("acme") == []
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert shop.balance("acme").prepaid_micros == 60 * EURO


def test_a_later_month_that_is_closed_first_leaves_the_earlier_one_its_due(shop: Shop) -> None:
    shop.customer("acme")
    shop.use("acme", prompt=10_000_000, at=datetime(2026, 9, 28, tzinfo=UTC))
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close(period="2026-10")
    shop.close(period="2026-09")
    october, september = shop.invoices("acme")
    assert (october.total_cents, october.due_cents) == (4240, 4240)
    assert september.due_cents == september.total_cents == 2420
    balance = shop.balance("acme")
    assert (balance.prepaid_micros, balance.receivable_micros) == (0, (4240 + 2420) * 10_000)

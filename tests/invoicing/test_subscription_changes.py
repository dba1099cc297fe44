"""Changing and cancelling by the day: what was paid ahead comes back as credits, shown before it is done."""

from collections.abc import Iterator
from datetime import date
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.ledger.sides import Side
from invoicing import extras, subscription_changes
from invoicing.models import Invoice
from invoicing.subscription_changes import QuoteOutdated
from invoicing.subscription_steps import Cancel, Change, NotCreditable
from invoicing.ubl.document import profile, xml_of
from invoicing.ubl.rules import problems_of
from tests.fixtures.extras import Charges
from tests.fixtures.shop import EURO, Shop
from tests.fixtures.subscriptions import Hosting, days

BEGIN = date(2026, 10, 15)


def euros(money: dict[str, str]) -> str:
    return money["value"]


def paid(hosting: Hosting) -> Invoice:
    """The customer has €200, which paid the first period."""
    hosting.shop.top_up("acme", 200)
    hosting.subscribe("basic")
    return hosting.invoices[0]


def only(hosting: Hosting) -> str:
    (subscription,) = hosting.api.get("/v1/customers/acme/subscriptions").get_json()["data"]
    return str(subscription["id"])


def test_an_upgrade_credits_the_days_left_and_bills_them_anew_so_that_the_difference_is_paid(
    hosting: Hosting, shop: Shop
) -> None:
    hosting.subscribe("basic")
    first = hosting.invoices[0]
    shop.top_up("acme", 36.30)
    shop.post("acme", "invoice_paid", Side.PREPAID, Side.RECEIVABLE, 36.30, name="paid-by-hand")
    with_payment(first)
    hosting.on(date(2026, 10, 25))
    shown = hosting.preview(only(hosting), plan="large")
    assert (euros(shown["credit_total"]), euros(shown["charge_total"])) == ("24.59", "50.82")
    assert (euros(shown["settled_with_credits"]), euros(shown["amount_due"])) == ("24.59", "26.23")
    assert len(shop.invoices("acme")) == 1, "a preview changes nothing"
    changed = hosting.change(only(hosting), plan="large")
    assert (changed["plan"], changed["billed_through"]) == ("large", "2026-11-15")
    (note,) = hosting.credit_notes
    assert (note.original_number, note.total_cents, note.to_credits_cents) == (first.number, 2459, 2459)
    assert days(note) == [(date(2026, 10, 25), date(2026, 11, 14), 2032)]
    second = hosting.invoices[1]
    assert days(second) == [(date(2026, 10, 25), date(2026, 11, 14), 4200)]
    assert (second.total_cents, second.credits_used_cents, second.due_cents) == (5082, 2459, 2623)
    assert shop.side("acme", Side.UNBILLED_USAGE) == 0
    assert shop.side("acme", Side.REVENUE) == (3000 - 2032 + 4200) * 10_000


def with_payment(invoice: Invoice) -> None:
    def settle() -> None:
        found = db.session.get_one(Invoice, (invoice.customer_id, invoice.invoice_id))
        found.settled_micros = found.due_cents * 10_000

    in_unit_of_work(settle)


def test_a_downgrade_leaves_credits_that_settle_the_invoices_to_come(hosting: Hosting, shop: Shop) -> None:
    shop.top_up("acme", 75.02)
    hosting.subscribe("large")
    hosting.on(date(2026, 10, 30))
    shown = hosting.preview(only(hosting), plan="basic")
    assert euros(shown["credits_left"]) == "19.99"
    hosting.change(only(hosting), plan="basic")
    assert hosting.invoices[1].credits_left_cents == 1999
    assert shop.balance("acme").credits_micros == 19_990_000
    hosting.on(date(2026, 11, 1))
    november = hosting.invoices[2]
    assert (november.credits_used_cents, november.due_cents) == (1999, 3630 - 1999)
    assert shop.balance("acme").credits_micros == 0


def test_a_change_and_its_way_back_on_one_day_cost_nothing(hosting: Hosting, shop: Shop) -> None:
    paid(hosting)
    hosting.on(date(2026, 10, 20))
    hosting.change(only(hosting), plan="large", quantity=3)
    hosting.change(only(hosting), plan="basic", quantity=1)
    balance = shop.balance("acme")
    assert shop.side("acme", Side.REVENUE) == 30 * EURO
    assert balance.prepaid_micros + balance.credits_micros == (200 - 36.30) * EURO
    assert hosting.read(only(hosting))["billed_through"] == "2026-11-15"


def test_a_change_shortly_before_a_period_credits_what_was_billed_ahead_as_well(
    hosting: Hosting, shop: Shop
) -> None:
    paid(hosting)
    hosting.on(date(2026, 11, 5))
    assert len(hosting.invoices) == 2
    hosting.change(only(hosting), plan="large")
    assert [note.original_number for note in hosting.credit_notes] == ["F2026-000001", "F2026-000002"]
    assert [days(note)[0][0] for note in hosting.credit_notes] == [date(2026, 11, 5), date(2026, 11, 15)]
    assert [days(one) for one in hosting.invoices[2:]] == [
        [(date(2026, 11, 5), date(2026, 11, 14), 2000)],
        [(date(2026, 11, 15), date(2026, 12, 14), 6200)],
    ]
    assert [one.due_date for one in hosting.invoices[2:]] == [date(2026, 11, 19), date(2026, 11, 19)]


def test_from_month_to_year_begins_a_year_today(hosting: Hosting) -> None:
    paid(hosting)
    hosting.on(date(2026, 10, 31))
    hosting.change(only(hosting), plan="domain")
    assert days(hosting.invoices[1]) == [(date(2026, 10, 31), date(2027, 10, 30), 1200)]
    assert days(hosting.credit_notes[0]) == [(date(2026, 10, 31), date(2026, 11, 14), 1452)]


def test_what_was_unpaid_is_offset_first(hosting: Hosting, shop: Shop) -> None:
    hosting.subscribe("basic")
    hosting.on(date(2026, 10, 25))
    shown = hosting.preview(only(hosting), cancel="now")
    assert euros(shown["settled_with_open_invoices"]) == "23.41"
    hosting.cancel(only(hosting), "now")
    (note,) = hosting.credit_notes
    assert (note.offset_cents, note.to_credits_cents) == (2341, 0)
    assert hosting.invoices[0].outstanding_micros == (3630 - 2341) * 10_000
    assert shop.balance("acme").receivable_micros == 12_890_000


def test_cancelled_at_the_end_the_service_runs_on_and_is_not_billed_again(
    hosting: Hosting, shop: Shop
) -> None:
    paid(hosting)
    hosting.on(date(2026, 10, 20))
    assert euros(hosting.preview(only(hosting), cancel="end_of_period")["credit_total"]) == "0.00"
    made = hosting.cancel(only(hosting))
    assert (made["status"], made["ends_on"]) == ("cancelled", "2026-11-15")
    assert hosting.credit_notes == []
    for day in (date(2026, 11, 1), date(2026, 11, 15), date(2026, 12, 15)):
        hosting.on(day)
    assert len(hosting.invoices) == 1
    assert hosting.read(only(hosting))["status"] == "ended"


def test_cancelled_at_the_end_what_was_billed_beyond_it_comes_back(hosting: Hosting) -> None:
    paid(hosting)
    hosting.on(date(2026, 11, 5))
    hosting.cancel(only(hosting))
    (note,) = hosting.credit_notes
    assert (note.original_number, note.total_cents) == ("F2026-000002", 3630)
    assert note.reason == "Basic hosting opgezegd per 15 november 2026"


def test_cancelled_today_the_days_after_today_come_back(hosting: Hosting) -> None:
    paid(hosting)
    hosting.on(date(2026, 10, 24))
    shown = hosting.preview(only(hosting), cancel="now")
    assert (shown["ends_on"], euros(shown["credit_total"])) == ("2026-10-25", "24.59")
    hosting.cancel(only(hosting), "now")
    assert days(hosting.credit_notes[0]) == [(date(2026, 10, 25), date(2026, 11, 14), 2032)]
    refused = hosting.post(f"subscriptions/{only(hosting)}/cancel", {"when": "now"})
    assert (refused[0], refused[1]["code"]) == (409, "nothing_changes")
    hosting.on(date(2026, 10, 25))
    assert hosting.read(only(hosting))["status"] == "ended"
    refused = hosting.post(f"subscriptions/{only(hosting)}/cancel", {"when": "now"})
    assert refused[1]["code"] == "subscription_cancelled"


def test_before_it_began_all_of_it_comes_back(hosting: Hosting, shop: Shop) -> None:
    shop.top_up("acme", 100)
    subscription = hosting.subscribe("basic", start="2026-10-20")
    assert len(hosting.invoices) == 1
    made = hosting.cancel(subscription)
    assert made["ends_on"] == "2026-10-20"
    assert hosting.credit_notes[0].total_cents == 3630
    assert shop.side("acme", Side.REVENUE) == 0


def test_a_cancellation_may_be_taken_back_while_the_service_runs(hosting: Hosting, shop: Shop) -> None:
    paid(hosting)
    hosting.on(date(2026, 11, 5))
    subscription = only(hosting)
    hosting.cancel(subscription)
    refused = hosting.api.patch(f"/v1/customers/acme/subscriptions/{subscription}", json={"quantity": 2})
    assert refused.get_json()["code"] == "subscription_cancelled"
    status, made = hosting.post(f"subscriptions/{subscription}/resume", {})
    assert (status, made["status"], made["billed_through"]) == (200, "active", "2026-12-15")
    assert hosting.post(f"subscriptions/{subscription}/resume", {})[1]["code"] == "nothing_changes"
    assert (hosting.invoices[2].credits_used_cents, hosting.invoices[2].due_cents) == (3630, 0)
    assert [one["kind"] for one in made["agreed"]] == ["started", "cancelled", "resumed"]
    assert shop.side("acme", Side.REVENUE) == 60 * EURO


def test_the_same_request_cancels_once_and_a_change_that_is_none_changes_nothing(
    hosting: Hosting, shop: Shop
) -> None:
    paid(hosting)
    subscription = only(hosting)
    hosting.change(subscription, plan="basic", quantity=1)
    assert len(shop.invoices("acme")) == 1
    hosting.on(date(2026, 10, 24))
    customer = get_customer(shop.customers["acme"])
    for _ in range(2):
        in_unit_of_work(
            subscription_changes.carry_out,
            customer,
            subscription,
            Cancel(when="now"),
            request_key="page-1",
            agreed_by="ann@example.nl",
        )
    assert len(hosting.credit_notes) == 1
    assert hosting.read(subscription)["agreed"][-1]["by"] == "ann@example.nl"


def test_two_clicks_at_the_same_moment_change_once(hosting: Hosting, shop: Shop, app: Flask) -> None:
    paid(hosting)
    subscription, acme = only(hosting), shop.customers["acme"]
    barrier = Barrier(2)

    def click() -> None:
        with app.app_context():
            barrier.wait()
            in_unit_of_work(
                lambda: subscription_changes.carry_out(
                    get_customer(acme),
                    subscription,
                    Change(plan_code="large"),
                    request_key="page-1",
                    agreed_by="ann@example.nl",
                )
            )

    clicks = [Thread(target=click) for _ in range(2)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join(timeout=60)
    assert (len(hosting.credit_notes), len(hosting.invoices)) == (1, 2)


def test_who_confirms_other_amounts_than_were_shown_is_asked_again(hosting: Hosting, shop: Shop) -> None:
    paid(hosting)
    hosting.on(date(2026, 10, 24))
    customer, subscription = get_customer(shop.customers["acme"]), only(hosting)

    def confirm(shown: tuple[int, int], key: str) -> list[str]:
        return in_unit_of_work(
            subscription_changes.carry_out,
            customer,
            subscription,
            Cancel(when="now"),
            request_key=key,
            agreed_by="ann@example.nl",
            shown=shown,
        )

    with pytest.raises(QuoteOutdated):
        confirm((2500, 0), "page-1")
    assert hosting.credit_notes == []
    assert confirm((2459, 0), "page-2") == ["C2026-000001"]


def test_together_with_usage_a_change_charges_each_days_price_on_the_next_usage_invoice(
    hosting: Hosting, shop: Shop
) -> None:
    hosting.terms(documents="together")
    subscription = hosting.subscribe("basic")
    hosting.on(date(2026, 10, 25))
    shown = hosting.preview(subscription, plan="large")
    assert (shown["billed"], euros(shown["credit_total"]), euros(shown["charge_total"])) == (
        "next_invoice", "0.00", "62.53",
    )  # fmt: skip
    hosting.change(subscription, plan="large")
    assert shop.invoices("acme") == []
    hosting.on(date(2026, 11, 1), hour=5)
    shop.close()
    (invoice,) = hosting.invoices
    assert days(invoice) == [
        (BEGIN, date(2026, 10, 24), 968),
        (date(2026, 10, 25), date(2026, 11, 14), 4200),
        (date(2026, 11, 15), date(2026, 12, 14), 6200),
    ]
    shop.top_up("acme", 500)
    hosting.on(date(2026, 11, 20))
    hosting.cancel(subscription, "now")
    (note,) = hosting.credit_notes
    assert (note.original_number, days(note)) == (
        invoice.number,
        [(date(2026, 11, 21), date(2026, 12, 14), 4960)],
    )


def test_what_was_credited_by_hand_does_not_come_back_twice(hosting: Hosting, shop: Shop) -> None:
    first = paid(hosting)
    body = {"reason": "Goodwill", "amount": {"value": "30.00", "currency": "EUR"}}
    headers = {"Idempotency-Key": "goodwill"}
    assert (
        hosting.api.post(f"/v1/invoices/{first.number}/credit", json=body, headers=headers).status_code == 201
    )
    hosting.on(date(2026, 10, 24))
    assert euros(hosting.preview(only(hosting), cancel="now")["credit_total"]) == "6.30"
    hosting.cancel(only(hosting), "now")
    assert sum(note.total_cents for note in hosting.credit_notes) == first.total_cents
    assert shop.side("acme", Side.REVENUE) == 0


def test_a_document_that_is_nowhere_is_settled_by_hand(
    hosting: Hosting, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid(hosting)
    monkeypatch.setattr("invoicing.subscription_steps._invoices", lambda *_: [])
    with pytest.raises(NotCreditable):
        subscription_changes.quote(get_customer(shop.customers["acme"]), _row(hosting), Cancel(when="now"))


@pytest.fixture
def charges() -> Iterator[Charges]:
    source = Charges()
    extras.add_charge_source("test", source)
    yield source
    extras._sources.pop("test")


@pytest.mark.parametrize(
    ("given_back", "kind"), [("-30.00", "invoice"), ("-40.00", "invoice"), ("-100.00", "credit_note")]
)
def test_what_another_line_gave_back_never_shortens_what_comes_back(
    hosting: Hosting, shop: Shop, charges: Charges, given_back: str, kind: str
) -> None:
    hosting.terms(documents="together")
    subscription = hosting.subscribe("basic")
    charges.add(shop.customers["acme"], "goodwill", given_back, BEGIN)
    hosting.on(date(2026, 11, 1), hour=5)
    shop.close()
    (document,) = shop.invoices("acme")
    assert document.kind == kind
    hosting.on(date(2026, 11, 20))
    hosting.cancel(subscription, "now")
    note = next(one for one in hosting.credit_notes if one.number != document.number)
    assert (note.original_number, note.net_cents, note.vat_cents) == (document.number, 2400, 504)


STORIES = st.fixed_dictionaries(
    {
        "prices": st.tuples(*[st.decimals("0.01", "300", places=2)] * 2),
        "correction": st.decimals("-400", "50", places=2),
        "cuts": st.tuples(*[st.integers(2, 40)] * 2),
        "begins": st.tuples(*[st.integers(0, 14)] * 2),
    }
)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],  # each example takes seconds: it is told as it was found
)
@given(STORIES)
def test_two_subscriptions_beside_a_line_that_gives_back_return_the_days_not_used_to_the_cent(
    hosting: Hosting, shop: Shop, charges: Charges, story: dict[str, Any]
) -> None:
    reference = f"both-{shop.sent}"
    shop.sent += 1
    customer_id = shop.customer(reference)
    path = f"/v1/customers/{reference}"
    hosting.api.patch(f"{path}/billing-terms", json={"subscription": {"documents": "together"}})
    ids = []
    for position, (price, later) in enumerate(zip(story["prices"], story["begins"], strict=True)):
        hosting.on(date(2026, 10, 10 + later))
        body = {"plan": "basic", "price": f"{price:.2f}"}
        headers = {"Idempotency-Key": f"{reference}-{position}"}
        made = hosting.api.post(f"{path}/subscriptions", json=body, headers=headers)
        assert made.status_code == 201, made.text
        ids.append(made.get_json()["id"])
    charges.add(customer_id, reference, str(story["correction"]), BEGIN)
    hosting.on(date(2026, 11, 1), hour=5)
    shop.close()
    assert shop.invoices(reference), "both are charged"
    for position, (one, later) in enumerate(zip(ids, sorted(story["cuts"]), strict=True)):
        hosting.on(date.fromordinal(date(2026, 11, 1).toordinal() + later))
        shown = hosting.api.post(f"{path}/subscriptions/{one}/preview", json={"cancel": "now"}).get_json()
        before = {each.number for each in shop.invoices(reference)}
        key = {"Idempotency-Key": f"{reference}-cancel-{position}"}
        answer = hosting.api.post(f"{path}/subscriptions/{one}/cancel", json={"when": "now"}, headers=key)
        assert answer.status_code in {200, 409}, answer.text
        if answer.status_code == 200:
            assert_as_shown(shown, [each for each in shop.invoices(reference) if each.number not in before])
    documents = shop.invoices(reference)
    net = sum(each.net_cents if each.kind == "invoice" else -each.net_cents for each in documents)
    assert net == charged_cents(customer_id) + int(story["correction"] * 100)
    assert shop.side(reference, Side.REVENUE) == net * 10_000
    assert shop.side(reference, Side.UNBILLED_USAGE) == 0


def _row(hosting: Hosting) -> Any:
    from invoicing import subscriptions

    return subscriptions.find(hosting.shop.customers["acme"], only(hosting))


WISHES = st.lists(
    st.tuples(
        st.integers(0, 25),
        st.sampled_from(["basic", "large", "domain"]),
        st.integers(1, 3),
        st.sampled_from(["change", "change", "end_of_period", "now", "resume"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WISHES)
def test_whatever_is_changed_when_every_day_is_charged_once_at_its_price(
    hosting: Hosting, shop: Shop, wishes: list[tuple[int, str, int, str]]
) -> None:
    reference = f"story-{shop.sent}"
    shop.sent += 1
    customer_id = shop.customer(reference)
    hosting.on(BEGIN)
    headers = {"Idempotency-Key": reference}
    made = hosting.api.post(
        f"/v1/customers/{reference}/subscriptions", json={"plan": "basic"}, headers=headers
    ).get_json()
    path, day = f"/v1/customers/{reference}/subscriptions/{made['id']}", BEGIN
    for position, (later, plan, quantity, what) in enumerate(wishes):
        day = date.fromordinal(day.toordinal() + later)
        hosting.on(day)
        key = {"Idempotency-Key": f"{reference}-{position}"}
        wish = {"plan": plan, "quantity": quantity} if what == "change" else {"cancel": what}
        shown = hosting.api.post(f"{path}/preview", json=wish)
        before = {one.number for one in shop.invoices(reference)}
        if what == "change":
            hosting.api.patch(path, json={"plan": plan, "quantity": quantity})
        elif what == "resume":
            hosting.api.post(f"{path}/resume", json={}, headers=key)
        else:
            hosting.api.post(f"{path}/cancel", json={"when": what}, headers=key)
        if shown.status_code == 200:
            issued = [one for one in shop.invoices(reference) if one.number not in before]
            assert_as_shown(shown.get_json(), issued)
    hosting.bill()
    db.session.rollback()
    assert_each_day_is_charged_once(customer_id)
    notes = [one for one in shop.invoices(reference) if one.kind == "credit_note"]
    bills = [one for one in shop.invoices(reference) if one.kind == "invoice"]
    assert [problem for one in notes for problem in problems_of(xml_of(one), profile(one))] == []
    net = sum(one.net_cents for one in bills) - sum(one.net_cents for one in notes)
    assert net == charged_cents(customer_id) >= 0
    assert shop.side(reference, Side.REVENUE) == net * 10_000
    assert shop.side(reference, Side.UNBILLED_USAGE) == 0


def assert_as_shown(shown: dict[str, Any], issued: list[Invoice]) -> None:
    """What a preview told is what came of it, to the cent, whatever it was settled with."""
    notes = [one for one in issued if one.kind == "credit_note"]
    bills = [one for one in issued if one.kind == "invoice"]
    assert euros(shown["credit_total"]) == f"{sum(one.total_cents for one in notes) / 100:.2f}"
    assert euros(shown["charge_total"]) == f"{sum(one.total_cents for one in bills) / 100:.2f}"
    settled = sum(one.credits_used_cents for one in bills)
    assert euros(shown["settled_with_credits"]) == f"{settled / 100:.2f}"
    assert euros(shown["amount_due"]) == f"{sum(one.due_cents for one in bills) / 100:.2f}"


def assert_each_day_is_charged_once(customer_id: int) -> None:
    day = BEGIN
    for row in _spans(customer_id):
        assert row.starts_on == day
        day = row.ends_on


def charged_cents(customer_id: int) -> int:
    from invoicing.subscription_documents import span_of

    return sum(span_of(row).net_cents for row in _spans(customer_id))


def _spans(customer_id: int) -> list[Any]:
    from invoicing.subscription_models import SubscriptionSpan

    rows = db.session.query(SubscriptionSpan).filter_by(customer_id=customer_id)
    return [
        row
        for row in rows.order_by(SubscriptionSpan.starts_on, SubscriptionSpan.revision)
        if row.starts_on < row.ends_on
    ]

"""Credit notes: what was wrong is taken back by a document, and its money settles what is unpaid first."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from app.ledger.sides import Side
from invoicing import service
from invoicing.history import events_of
from invoicing.models import Invoice
from invoicing.ubl.document import profile, xml_of
from invoicing.ubl.rules import problems_of
from tests.fixtures.outside import Mailbox
from tests.fixtures.shop import AFTER_OCTOBER, EURO, Shop
from tests.invoicing.test_tax_categories import VAT_NUMBER, count, put_meter


def closed(shop: Shop, euros: float = 60, **facts: Any) -> str:
    """October's invoice: €42.40, paid from a balance of so many euros."""
    shop.customer("acme", **facts)
    if euros:
        shop.top_up("acme", euros)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    return shop.invoice("acme").number


def credit(shop: Shop, number: str, amount: str | None = None, key: str = "one", **body: Any) -> Any:
    wish = {"reason": "Outage of 12 October"} | body
    if amount:
        wish["amount"] = {"value": amount, "currency": "EUR"}
    return shop.api.post(f"/v1/invoices/{number}/credit", json=wish, headers={"Idempotency-Key": key})


def euro(value: str) -> dict[str, str]:
    return {"value": value, "currency": "EUR"}


def state(shop: Shop) -> tuple[int, int, int]:
    """Prepaid, credits and receivable, in cents."""
    balance = shop.balance("acme")
    return (
        balance.prepaid_micros // 10_000,
        balance.credits_micros // 10_000,
        balance.receivable_micros // 10_000,
    )


def problems(shop: Shop) -> list[str]:
    """What the rules of e-invoices find in the customer's credit notes."""
    notes = [one for one in shop.invoices("acme") if one.kind == "credit_note"]
    assert notes
    return [problem for note in notes for problem in problems_of(xml_of(note), profile(note))]


ADDRESS = {"line1": "Prinsengracht 2", "postal_code": "1015 DV", "city": "Amsterdam"}
BUYERS: dict[str, dict[str, Any]] = {
    "business": {"vat_number": VAT_NUMBER, "address": ADDRESS},
    "consumer": {"kind": "consumer"},
    "Belgian business": {"country": "BE", "vat_number": "BE0403019261", "address": ADDRESS},
}


@pytest.mark.parametrize("buyer", BUYERS)
def test_in_parts_and_whole_at_several_rates_each_note_keeps_the_rules_of_e_invoices(
    shop: Shop, buyer: str
) -> None:
    put_meter(shop, "pages", tax_category="reduced")
    price = {"currency": "EUR", "model": "per_unit", "unit_amount": "0.10"}
    assert shop.api.post("/v1/meters/pages/prices", json=price).status_code == 201
    shop.customer("acme", **BUYERS[buyer])
    shop.top_up("acme", 30)
    shop.grant("acme", 5)
    count(shop, "acme", "pages", 100)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    number = shop.invoice("acme").number
    for position, amount in enumerate(("0.01", "10.00", "7.77", None)):
        assert credit(shop, number, amount, f"{position}").status_code == 201
    rates = {tax.percent for one in shop.invoices("acme")[1:] for tax in one.taxes}
    assert len(rates) == (1 if buyer == "Belgian business" else 2)
    assert problems(shop) == []


def test_a_paid_invoice_credited_whole_becomes_credits(shop: Shop) -> None:
    number = closed(shop)
    answer = credit(shop, number)
    note = answer.get_json()
    assert answer.status_code == 201
    assert (note["number"], note["kind"], note["original_number"]) == ("C2026-000001", "credit_note", number)
    assert note["reason"] == "Outage of 12 October"
    assert (note["total"], note["to_credits"], note["offset"]) == (euro("42.40"), euro("42.40"), euro("0.00"))
    assert [line["amount"] for line in note["lines"]] == [
        euro("20.00"),
        euro("12.09"),
        euro("2.95"),
        euro("0.00"),
    ]
    assert state(shop) == (1760, 4240, 0)
    assert (shop.side("acme", Side.REVENUE), shop.side("acme", Side.VAT)) == (0, 0)
    original = shop.api.get(f"/v1/invoices/{number}").get_json()
    assert (original["status"], original["credited"], original["total"]) == (
        "credited",
        euro("42.40"),
        euro("42.40"),
    )


def test_an_unpaid_invoice_is_reduced_first_and_only_the_rest_becomes_credits(shop: Shop) -> None:
    number = closed(shop, 30)
    assert state(shop) == (0, 0, 1240)
    first = credit(shop, number, "10.00").get_json()
    assert (first["offset"], first["to_credits"]) == (euro("10.00"), euro("0.00"))
    assert state(shop) == (0, 0, 240)
    second = credit(shop, number, "12.40", "two").get_json()
    assert (second["offset"], second["to_credits"]) == (euro("2.40"), euro("10.00"))
    assert state(shop) == (0, 1000, 0)
    assert shop.api.get(f"/v1/invoices/{number}").get_json()["status"] == "paid"
    rest = credit(shop, number, key="three").get_json()
    assert rest["total"] == euro("20.00")
    assert shop.api.get(f"/v1/invoices/{number}").get_json()["status"] == "credited"
    assert shop.side("acme", Side.REVENUE) == 0
    assert shop.side("acme", Side.VAT) == 0


def test_credits_settle_the_next_invoice_visibly_and_the_money_stays_on_the_balance(shop: Shop) -> None:
    credit(shop, closed(shop), "12.10")
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=20))
    shop.use_42_40("acme", at=AFTER_OCTOBER.replace(day=19))
    shop.clock.travel_to(AFTER_OCTOBER.replace(month=12))
    shop.close("2026-11")
    november = shop.invoices("acme")[-1]
    assert (november.credits_used_cents, november.credits_left_cents) == (1210, 0)
    assert (november.prepaid_cents, november.due_cents) == (1760, 1270)
    assert state(shop) == (0, 0, 1270)


def test_credits_also_settle_another_open_invoice_the_oldest_first(shop: Shop) -> None:
    october = closed(shop)
    shop.clock.travel_to(AFTER_OCTOBER.replace(day=20))
    shop.use_42_40("acme", at=AFTER_OCTOBER.replace(day=19))
    shop.clock.travel_to(AFTER_OCTOBER.replace(month=12))
    shop.close("2026-11")
    assert state(shop) == (0, 0, 2480)
    note = credit(shop, october).get_json()
    assert (note["offset"], note["to_credits"]) == (euro("24.80"), euro("17.60"))
    assert state(shop) == (0, 1760, 0)


def test_the_same_request_credits_once_and_another_body_is_refused(shop: Shop) -> None:
    number = closed(shop)
    first = credit(shop, number, "10.00")
    again = credit(shop, number, "10.00")
    assert again.get_json() == first.get_json()
    assert credit(shop, number, "11.00").get_json()["code"] == "idempotency_key_reused"
    assert state(shop) == (1760, 1000, 0)
    assert len(shop.invoices("acme")) == 2


def test_a_crash_between_credit_and_answer_credits_once(shop: Shop) -> None:
    from app.db import db, unit_of_work

    number = closed(shop)
    wish = service.CreditWish(number=number, reason="x", request_key="k", amount_micros=10 * EURO)
    with unit_of_work():
        first = service.credit(wish).number
    with unit_of_work():
        assert service.credit(wish).number == first
    db.session.rollback()
    assert state(shop) == (1760, 1000, 0)


def test_what_cannot_be_credited_is_refused_with_a_code(shop: Shop) -> None:
    number = closed(shop)
    without_key = shop.api.post(f"/v1/invoices/{number}/credit", json={"reason": "x"})
    assert (without_key.status_code, without_key.get_json()["code"]) == (400, "idempotency_key_required")
    refused = [
        (credit(shop, number, "42.41", "a"), 409, "credit_too_large"),
        (credit(shop, number, "0.00", "b"), 422, "invalid_request"),
        (credit(shop, number, "1.005", "c"), 422, "invalid_request"),
        (credit(shop, number, key="d", reason="  "), 422, "invalid_request"),
        (credit(shop, number, key="e", reason=None), 422, "invalid_request"),
        (credit(shop, number, key="f", lines=[]), 422, "invalid_request"),
        (credit(shop, "F2026-999999", key="g"), 404, "unknown_invoice"),
    ]
    assert [(a.status_code, a.get_json()["code"]) for a, _, _ in refused] == [(s, c) for _, s, c in refused]
    note = credit(shop, number, key="h").get_json()["number"]
    for target, key in ((number, "i"), (note, "j")):
        answer = credit(shop, target, key=key)
        assert (answer.status_code, answer.get_json()["code"]) == (409, "nothing_to_credit")


def test_a_customer_moves_credits_to_the_balance_once_per_request(shop: Shop) -> None:
    credit(shop, closed(shop), "10.00")

    def move(key: str, body: dict[str, Any]) -> Any:
        return shop.api.post("/v1/customers/acme/credits/move", json=body, headers={"Idempotency-Key": key})

    assert move("a", {"amount": euro("4.00")}).get_json() == {"moved": euro("4.00")}
    assert move("a", {"amount": euro("4.00")}).get_json() == {"moved": euro("4.00")}
    assert state(shop) == (2160, 600, 0)
    assert move("b", {"amount": euro("6.01")}).get_json()["code"] == "too_few_credits"
    assert move("c", {}).get_json() == {"moved": euro("6.00")}
    assert state(shop) == (2760, 0, 0)
    assert move("d", {}).get_json()["code"] == "no_credits"


@pytest.mark.parametrize(
    ("locale", "subject", "sentence"),
    [
        ("nl", "Je creditfactuur C2026-000001 staat klaar", "volgende factuur"),
        ("en", "Credit note C2026-000001 is ready", "next invoice"),
    ],
)
def test_a_credit_note_is_mailed_in_the_customers_language(
    shop: Shop, smtp: Mailbox, locale: str, subject: str, sentence: str
) -> None:
    number = closed(shop, locale=locale)
    credit(shop, number, "10.00")
    shop.run_jobs()
    (message,) = [message for message in smtp.messages if "C2026-000001" in message["subject"]]
    assert message["subject"] == subject
    body = message.get_body(("plain",))
    assert body is not None
    assert sentence in body.get_content()
    assert shop.api.get("/v1/invoices/C2026-000001.pdf").data.startswith(b"%PDF")
    xml = shop.api.get("/v1/invoices/C2026-000001.xml").data
    assert problems_of(xml, profile(shop.invoices("acme")[-1])) == []


def test_usage_taken_back_after_its_close_becomes_a_credit_note_that_names_the_original(shop: Shop) -> None:
    shop.customer("acme", locale="en")
    shop.top_up("acme", 60)
    (event,) = shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    october = shop.invoice("acme").number
    taken_back = {"source": "test", "id": event}
    assert shop.api.post("/v1/customers/acme/events/void", json=taken_back).status_code == 200
    shop.clock.travel_to(AFTER_OCTOBER.replace(month=12))
    shop.close("2026-11")
    note = shop.invoices("acme")[-1]
    assert (note.number, note.original_number) == ("C2026-000001", october)
    assert note.reason == "Correction of usage in October 2026"
    assert problems(shop) == []
    assert state(shop) == (6000, 0, 0)
    history = [event.text for event in events_of(shop.invoices("acme")[0])]
    assert any("C2026-000001" in text for text in history), history


@pytest.mark.parametrize("is_billed", [False, True], ids=["before its correction is billed", "after"])
def test_usage_taken_back_after_its_close_is_not_given_back_again_by_a_credit_note(
    shop: Shop, *, is_billed: bool
) -> None:
    shop.customer("acme")
    shop.top_up("acme", 120)
    shop.use_42_40("acme")
    (event,) = shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    october = shop.invoice("acme")
    taken_back = {"source": "test", "id": event}
    assert shop.api.post("/v1/customers/acme/events/void", json=taken_back).status_code == 200
    if is_billed:
        shop.clock.travel_to(AFTER_OCTOBER.replace(month=12))
        shop.close("2026-11")
    prepaid = state(shop)[0]

    refused = credit(shop, october.number, "42.41", key="too much")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "credit_too_large")
    note = credit(shop, october.number).get_json()
    again = credit(shop, october.number, key="again")

    assert note["total"] == euro("42.40")
    assert state(shop) == (prepaid, 4240, 0)
    assert (again.status_code, again.get_json()["code"]) == (409, "nothing_to_credit")


@effort(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(st.integers(1, 4240), min_size=1, max_size=4), move=st.integers(0, 3))
def test_whatever_is_credited_the_books_agree_with_the_documents(
    books: "Books", amounts: list[int], move: int
) -> None:
    books.next_customer()
    books.credit_all(amounts, move)
    shop, invoice = books.shop, books.invoice()
    balance = shop.balance("acme")
    charged = invoice.total_cents - invoice.credited_cents
    assert shop.side("acme", Side.REVENUE) + shop.side("acme", Side.VAT) == charged * 10_000
    assert shop.side("acme", Side.VAT) == 10_000 * (invoice.vat_cents - books.vat_credited())
    assert balance.receivable_micros == invoice.outstanding_micros
    # Nobody owes and is owed at once.
    assert min(balance.credits_micros, balance.receivable_micros) == 0
    assert balance.prepaid_micros + balance.credits_micros - balance.receivable_micros == (
        (3000 - charged) * 10_000
    )
    assert problems(shop) == []


class Books:
    """A customer after another whose invoice of €42.40 was paid for €30 from the balance."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.count = 0

    def next_customer(self) -> None:
        self.count += 1
        reference = f"customer-{self.count}"
        self.shop.clock.travel_to(AFTER_OCTOBER.replace(month=10, day=20))
        self.shop.customer(reference)
        self.shop.customers["acme"] = self.shop.customers[reference]
        self.shop.top_up("acme", 30)
        self.shop.use_42_40(reference)
        self.shop.clock.travel_to(AFTER_OCTOBER)
        self.shop.close()

    def credit_all(self, amounts: list[int], move: int) -> None:
        number = self.invoice().number
        for position, cents in enumerate(amounts):
            credit(self.shop, number, f"{cents / 100:.2f}", f"{self.count}-{position}")
            if position == move:
                self.shop.api.post(
                    f"/v1/customers/customer-{self.count}/credits/move",
                    json={},
                    headers={"Idempotency-Key": f"m{self.count}"},
                )

    def invoice(self) -> Invoice:
        return next(one for one in self.shop.invoices("acme") if one.kind == "invoice")

    def vat_credited(self) -> int:
        return sum(one.vat_cents for one in self.shop.invoices("acme") if one.kind == "credit_note")


@pytest.fixture
def books(shop: Shop) -> Books:
    return Books(shop)

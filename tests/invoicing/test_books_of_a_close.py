"""What a close posts: debits and rounding are the invoice's total to the cent, and nothing stays unbilled."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.db import db
from app.ledger.models import Transfer
from app.ledger.sides import Side
from app.money import micros_of_cents
from tests.fixtures.shop import AFTER_OCTOBER, IN_OCTOBER, Shop

AFTER_NOVEMBER = datetime(2026, 12, 1, 5, tzinfo=UTC)


def moved(shop: Shop, reference: str, debit: Side, credit: Side, *, rounding: bool | None = None) -> int:
    """What the transfers brought from one side to the other, less what they brought back, in micros."""
    mine = [Transfer.customer_id == shop.customers[reference]]
    if rounding is not None:
        mine.append((Transfer.kind == "rounding") == rounding)

    def total(source: Side, target: Side) -> int:
        amount = func.coalesce(func.sum(Transfer.amount_micros), 0)
        return int(
            db.session.scalar(
                select(amount).where(*mine, Transfer.debit == source, Transfer.credit == target)
            )
            or 0
        )

    return total(debit, credit) - total(credit, debit)


def check(shop: Shop, reference: str) -> None:
    issued = [(-1 if one.kind == "credit_note" else 1, one) for one in shop.invoices(reference)]
    total = micros_of_cents(sum(sign * one.total_cents for sign, one in issued))
    vat = micros_of_cents(sum(sign * one.vat_cents for sign, one in issued))
    unbilled = Side.UNBILLED_USAGE
    debited = moved(shop, reference, Side.PREPAID, unbilled, rounding=False)
    rounded = moved(shop, reference, Side.PREPAID, unbilled, rounding=True)
    assert debited + rounded == total
    assert abs(rounded) <= 10_000 * 2 * (len(issued) + 1)
    assert moved(shop, reference, unbilled, Side.REVENUE) == total - vat
    assert moved(shop, reference, unbilled, Side.VAT) == vat
    assert moved(shop, reference, unbilled, Side.PROMOTIONS) == moved(shop, reference, Side.PROMO, unbilled)
    assert shop.side(reference, unbilled) == 0


events = st.tuples(st.integers(0, 12_000_000), st.integers(0, 300_000))
prices = st.decimals("0.000000001", "0.0001", places=9)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    used=st.lists(events, min_size=1, max_size=4),
    price=prices,
    promo_cents=st.integers(0, 4000),
    taken_back=st.sampled_from(["none", "before the close", "after the close"]),
)
def test_whatever_was_used_granted_and_taken_back_the_debits_are_the_total(
    shop: Shop, used: list[tuple[int, int]], price: Decimal, promo_cents: int, taken_back: str
) -> None:
    shop.sent += 1
    reference = f"customer-{shop.sent}"
    shop.clock.travel_to(IN_OCTOBER)
    shop.customer(reference)
    own = {"meter": "generated_tokens", "currency": "EUR", "model": "per_unit", "unit_amount": f"{price:f}"}
    answer = shop.api.post(f"/v1/customers/{reference}/prices", json=own)
    assert answer.status_code == 201, answer.text
    shop.top_up(reference, 20)
    if promo_cents:
        shop.grant(reference, promo_cents / 100)
    sent = [event for prompt, made in used for event in shop.use(reference, prompt=prompt, generated=made)]

    def take_back() -> None:
        path = f"/v1/customers/{reference}/events/void"
        assert shop.api.post(path, json={"source": "test", "id": sent[0]}).status_code == 200

    if taken_back == "before the close":
        take_back()
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    check(shop, reference)
    if taken_back == "after the close":
        take_back()
    shop.clock.travel_to(AFTER_NOVEMBER)
    shop.close("2026-11")
    check(shop, reference)

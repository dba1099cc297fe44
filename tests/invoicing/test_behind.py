"""The customer's movements lead to the invoice that is behind them."""

from app.ledger.statement import recent
from app.portal.movements import told
from invoicing.service import numbers_behind
from tests.fixtures.shop import AFTER_OCTOBER, Shop


def test_postings_of_a_close_and_shares_of_a_payment_name_their_invoice(shop: Shop) -> None:
    customer_id = shop.customer("acme")
    shop.top_up("acme", 30)
    shop.use_42_40("acme")
    shop.clock.travel_to(AFTER_OCTOBER)
    shop.close()
    number = shop.invoice("acme").number
    movements = {one.kind: one.reference for one in recent(customer_id, 20)}
    found = numbers_behind(customer_id, movements.values())
    assert found == {movements["invoice_due"]: number, movements["rounding"]: number}
    with shop.app.test_request_context("/transactions"):
        urls = {one.movement.kind: one.url for one in told(customer_id, recent(customer_id, 20))}
    assert urls["invoice_due"] == f"/invoices/{number}"
    assert str(urls["usage"]).startswith("/usage/events.csv?start=")


def test_what_no_invoice_is_behind_is_left_out(shop: Shop) -> None:
    customer_id = shop.customer("acme")
    strange = ["close-", "close-2026-99-01-due", "close-2026-10-01-due", "allocation-x", "topup-1-paid"]
    assert numbers_behind(customer_id, strange) == {}

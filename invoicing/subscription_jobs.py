"""Jobs of subscriptions. Again is harmless, and what was missed is caught up."""

import structlog

from app.customers.service import get_customer
from app.db import db, in_unit_of_work
from app.ledger import service as ledger
from invoicing import subscriptions

_log = structlog.get_logger("invoicing")


def bill_due() -> None:
    """Charge every subscription whose next period is near, each customer in a transaction of its own."""
    due = subscriptions.customers_to_bill()
    db.session.rollback()
    for customer_id in due:
        try:
            in_unit_of_work(_bill, customer_id)
        except Exception:  # noqa: BLE001  # whatever is wrong with one customer stops nobody else
            _log.exception("subscriptions_not_billed", customer_id=customer_id)


def _bill(customer_id: int) -> None:
    ledger.lock_balance(customer_id)
    subscriptions.bill(get_customer(customer_id))

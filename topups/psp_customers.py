"""The customer as Mollie knows it: made when first needed, in three steps, with a key of its own."""

import json
import uuid
from datetime import timedelta
from typing import Any, Final

from app.clock import utc_now
from app.customers.service import billing_email, get_customer
from app.db import db, unit_of_work
from app.ledger.service import lock_balance
from topups import gateway
from topups.models import PspCustomer
from topups.payment_body import LOCALES

# Mollie forgets a key after an hour; by then the first call is over, whatever became of it.
KEY_LIFE: Final = timedelta(minutes=55)


def known_psp_customer(customer_id: int) -> str | None:
    """Mollie's id of this customer, if it has one."""
    row = db.session.get(PspCustomer, customer_id)
    return row.mollie_customer_id if row else None


def ensure_psp_customer(customer_id: int) -> str:
    """Mollie's id of this customer, made if need be. Called outside a transaction. Raises GatewayError."""
    with unit_of_work():
        body, key, known = _prepare(customer_id)
    if known is not None:
        return known
    made = gateway.create_customer(json.loads(body), key)
    with unit_of_work():
        lock_balance(customer_id)
        row = db.session.get_one(PspCustomer, customer_id)
        row.mollie_customer_id = row.mollie_customer_id or made
        return row.mollie_customer_id


def _prepare(customer_id: int) -> tuple[str, str, str | None]:
    lock_balance(customer_id)
    row = db.session.get(PspCustomer, customer_id)
    stale = row is not None and row.mollie_customer_id is None and utc_now() - row.created_at > KEY_LIFE
    if row is None or stale:
        row = db.session.merge(
            PspCustomer(
                customer_id=customer_id,
                idempotency_key=uuid.uuid4(),
                body=json.dumps(_body(customer_id)),
                created_at=utc_now(),
            )
        )
        db.session.flush()
    return row.body, str(row.idempotency_key), row.mollie_customer_id


def _body(customer_id: int) -> dict[str, Any]:
    customer = get_customer(customer_id)
    return {
        "name": customer.name,
        "email": billing_email(customer),
        "locale": LOCALES[customer.locale],
        "metadata": {"customer": customer.reference},
    }

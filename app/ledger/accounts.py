"""Accounts: a customer together with the balance it opens with."""

from collections.abc import Mapping
from typing import Any

from app.config import settings
from app.customers import service as customers
from app.customers.models import Customer
from app.ledger.service import open_balance


def open_account(facts: Mapping[str, Any]) -> Customer:
    """A new customer with an empty balance. Raises Invalid, ReferenceTaken."""
    customer = customers.create_customer(facts)
    open_balance(customer.customer_id, low_mark_micros=settings().low_balance_micros)
    return customer

"""Accounts: a customer together with its balance, opened and listed."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, select

from app.config import settings
from app.customers import service as customers
from app.customers.models import Customer
from app.db import db
from app.ledger.models import BalanceRow
from app.ledger.service import open_balance
from app.tables import Column, Order

# What a list of customers can be sorted by.
COLUMNS: Final = {
    "name": Column(func.lower(Customer.name)),
    "email": Column(func.lower(Customer.email)),
    "held": Column(BalanceRow.held_micros, falls=True),
    "owed": Column(BalanceRow.receivable_micros, falls=True),
    "available": Column(
        BalanceRow.prepaid_micros + BalanceRow.promo_micros - BalanceRow.held_micros, falls=True
    ),
}


def open_account(facts: Mapping[str, Any]) -> Customer:
    """A new customer with an empty balance. Raises Invalid, ReferenceTaken."""
    customer = customers.create_customer(facts)
    open_balance(customer.customer_id, low_mark_micros=settings().low_balance_micros)
    return customer


def accounts(order: Order, *, search: str = "", after: int | None = None, limit: int = 50) -> list[Customer]:
    """Customers in this order that a search finds, those after the one with this id."""
    query = customers.found_by(search).join(BalanceRow, BalanceRow.customer_id == Customer.customer_id)
    place = None
    if after is not None:
        of_that = select(order.value).join_from(
            Customer, BalanceRow, BalanceRow.customer_id == Customer.customer_id
        )
        place = (of_that.where(Customer.customer_id == after).scalar_subquery(), after)
    return list(db.session.scalars(order.applied(query, Customer.customer_id, place).limit(limit)))

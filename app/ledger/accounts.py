"""Accounts: a customer together with the balance it opens with, and the provider's own house account."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.clock import utc_now
from app.config import settings
from app.customers import service as customers
from app.customers.models import Customer, CustomerReference
from app.db import db
from app.ledger.models import BalanceRow
from app.ledger.service import open_balance


def open_account(facts: Mapping[str, Any]) -> Customer:
    """A new customer with an empty balance. Raises Invalid, ReferenceTaken."""
    customer = customers.create_customer(facts)
    open_balance(customer.customer_id, low_mark_micros=settings().low_balance_micros)
    return customer


def open_house() -> None:
    """The house customer, which carries movements of the provider alone. Again is harmless."""
    provider = settings().provider
    made = db.session.execute(
        insert(Customer)
        .values(
            customer_id=customers.HOUSE_CUSTOMER_ID,
            reference=customers.HOUSE_REFERENCE,
            name=provider.legal_name,
            email=provider.support_email,
            kind="house",
            country=provider.country,
            locale=settings().default_locale,
            currency=settings().currency,
            address_line1=provider.address_line1,
            postal_code=provider.postal_code,
            city=provider.city,
            provisional_limit_micros=0,
            status="active",
            created_at=utc_now(),
        )
        .on_conflict_do_nothing()
        .returning(Customer.customer_id)
    ).scalar()
    if made is not None:
        db.session.execute(
            insert(CustomerReference).values(
                reference=customers.HOUSE_REFERENCE, customer_id=customers.HOUSE_CUSTOMER_ID
            )
        )
    if db.session.scalar(select(BalanceRow.customer_id).where(BalanceRow.customer_id == 1)) is None:
        open_balance(customers.HOUSE_CUSTOMER_ID, low_mark_micros=None)

"""`/v1/customers` and their balances, grants and transactions."""

import hashlib
from datetime import datetime
from typing import Any

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from sqlalchemy import select

from app import api
from app.clock import utc_now
from app.config import settings
from app.customers import service as customers
from app.customers.auth import require_api_key
from app.db import db, in_unit_of_work
from app.errors import Invalid
from app.ledger import service, shapes, suspension
from app.ledger.accounts import open_account
from app.ledger.balance_json import balance_json
from app.ledger.models import Grant, Transfer
from app.money import InvalidMoney, Money
from app.reference.statements import Listed, Paging, describe

blueprint = Blueprint("ledger_api", __name__, url_prefix="/v1")

_CUSTOMER_FIELDS = (
    "reference", "name", "email", "kind", "country", "locale", "currency", "vat_number", "address",
    "purchase_order", "payment_term_days", "billing_cycle", "invoice_empty_periods", "resells_telecom",
)  # fmt: skip


@blueprint.post("/customers")
@require_api_key
@api.idempotent(required=False)
@describe(shapes.Customer, 201, takes=shapes.NewCustomer, problems=(customers.ReferenceTaken,))
def create_customer() -> ResponseReturnValue:
    """Create a customer."""
    facts = api.read_object(*_CUSTOMER_FIELDS)
    customer = in_unit_of_work(lambda: customers.to_json(open_account(facts)))
    return jsonify(customer), 201


@blueprint.get("/customers/<reference>")
@require_api_key
@describe(shapes.Customer, problems=(customers.UnknownCustomer,))
def read_customer(reference: str) -> ResponseReturnValue:
    """Read a customer."""
    return jsonify(customers.to_json(customers.find_customer(reference)))


@blueprint.patch("/customers/<reference>")
@require_api_key
@describe(shapes.Customer, takes=shapes.CustomerChange, problems=(customers.UnknownCustomer,))
def change_customer(reference: str) -> ResponseReturnValue:
    """Change a customer."""
    facts = api.read_object(*_CUSTOMER_FIELDS)

    def change() -> dict[str, Any]:
        customer = customers.find_customer(reference)
        customers.change_customer(customer, facts)
        return customers.to_json(customer)

    return jsonify(in_unit_of_work(change))


@blueprint.get("/customers/<reference>/balance")
@require_api_key
@describe(shapes.Balance, problems=(customers.UnknownCustomer,))
def read_balance(reference: str) -> ResponseReturnValue:
    """Read a customer's balance."""
    return jsonify(balance_json(service.get_balance(_customer_id(reference))))


@blueprint.post("/customers/<reference>/suspend")
@require_api_key
@api.idempotent(required=False)
@describe(shapes.Balance, problems=(customers.UnknownCustomer,))
def suspend(reference: str) -> ResponseReturnValue:
    """Suspend a customer: new holds are refused, usage is still recorded."""
    customer_id = _customer_id(reference)
    return jsonify(in_unit_of_work(lambda: balance_json(suspension.suspend(customer_id))))


@blueprint.post("/customers/<reference>/unsuspend")
@require_api_key
@api.idempotent(required=False)
@describe(shapes.Balance, problems=(customers.UnknownCustomer,))
def unsuspend(reference: str) -> ResponseReturnValue:
    """Lift a customer's suspension."""
    customer_id = _customer_id(reference)
    return jsonify(in_unit_of_work(lambda: balance_json(suspension.unsuspend(customer_id))))


@blueprint.put("/customers/<reference>/overdraft")
@require_api_key
@describe(shapes.Overdraft, takes=shapes.Overdraft, problems=(customers.UnknownCustomer, InvalidMoney))
def put_overdraft(reference: str) -> ResponseReturnValue:
    """Set the overdraft limit: how far below zero holds may reach."""
    body = api.read_object("amount")
    amount = Money.from_json(body.get("amount"), currency=settings().currency)
    if amount.micros < 0:
        raise Invalid(lazy_gettext("The amount cannot be below zero."), field="amount")
    in_unit_of_work(service.set_overdraft, _customer_id(reference), amount.micros)
    return jsonify(amount=amount.to_json())


@blueprint.get("/customers/<reference>/grants")
@require_api_key
@describe(Listed[shapes.Grant], problems=(customers.UnknownCustomer,))
def list_grants(reference: str) -> ResponseReturnValue:
    """List a customer's grants."""
    found = service.grants(_customer_id(reference))
    return jsonify(api.listed([_grant_json(grant) for grant in found], None))


@blueprint.post("/customers/<reference>/grants")
@require_api_key
@api.idempotent(required=True)
@describe(shapes.Grant, 201, takes=shapes.NewGrant, problems=(customers.UnknownCustomer, InvalidMoney))
def give_grant(reference: str) -> ResponseReturnValue:
    """Grant promotional credit."""
    body = api.read_object("amount", "expires_at", "priority", "reason")
    amount = Money.from_json(body.get("amount"), currency=settings().currency)
    if amount.micros <= 0:
        raise Invalid(lazy_gettext("The amount must be above zero."), field="amount")
    reason, priority = body.get("reason", ""), body.get("priority", 100)
    if not isinstance(reason, str) or len(reason) > 200:
        raise Invalid(lazy_gettext("A reason has at most 200 characters."), field="reason")
    if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= 1000:
        raise Invalid(lazy_gettext("A priority is a whole number from 0 to 1000."), field="priority")
    expires_at = _moment(body.get("expires_at"), "expires_at")
    customer_id = _customer_id(reference)
    # Two keys may differ only after what a reference has room for.
    key = hashlib.sha256(str(g.idempotency_key).encode()).hexdigest()

    def give() -> dict[str, Any]:
        grant = service.grant(
            customer_id, amount.micros, reason=reason, expires_at=expires_at, priority=priority,
            reference=f"api-{key}",
        )  # fmt: skip
        return _grant_json(grant)

    return jsonify(in_unit_of_work(give)), 201


@blueprint.get("/customers/<reference>/transactions")
@require_api_key
@describe(Listed[shapes.Transfer], query=Paging, problems=(customers.UnknownCustomer,))
def list_transactions(reference: str) -> ResponseReturnValue:
    """List what moved a customer's balance, the newest first."""
    limit, before = api.page_size(), api.cursor()
    query = select(Transfer).where(Transfer.customer_id == _customer_id(reference))
    if before is not None:
        query = query.where(Transfer.number < before)
    rows = list(db.session.scalars(query.order_by(Transfer.number.desc()).limit(limit + 1)))
    more = rows[limit - 1].number if len(rows) > limit else None
    return jsonify(api.listed([_transfer_json(row) for row in rows[:limit]], more))


def _customer_id(reference: str) -> int:
    found = customers.customer_ids_of([reference])
    if reference not in found or reference == customers.HOUSE_REFERENCE:
        raise customers.UnknownCustomer
    return found[reference]


def _money(micros: int) -> dict[str, str]:
    return Money(micros, settings().currency).to_json()


def _moment(value: object, field: str) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not isinstance(value, str) or moment <= utc_now():
        raise Invalid(lazy_gettext("Give a moment in the future, such as 2027-01-31T00:00:00Z."), field=field)
    return moment


def _grant_json(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.public_id,
        "amount": _money(grant.amount_micros),
        "remaining": _money(grant.remaining_micros),
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
        "priority": grant.priority,
        "reason": grant.reason,
        "created_at": grant.created_at.isoformat(),
    }


def _transfer_json(transfer: Transfer) -> dict[str, Any]:
    return {
        "number": transfer.number,
        "kind": transfer.kind,
        "debit": transfer.debit,
        "credit": transfer.credit,
        "amount": _money(transfer.amount_micros),
        "reference": transfer.reference,
        "balance_after": _money(transfer.balance_after_micros),
        "created_at": transfer.created_at.isoformat(),
    }

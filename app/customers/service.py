"""Customers: made, found, changed. A customer's reference is the provider's own name for it."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from email_validator import EmailNotValidError, validate_email
from flask_babel import lazy_gettext
from sqlalchemy import Select, insert, select
from stdnum.eu import vat

from app.clock import utc_now
from app.config import settings
from app.customers import cycles
from app.customers.models import ApiKey, Customer, CustomerReference, Membership, customer_id_seq
from app.db import among, db
from app.errors import Conflict, Invalid, NotFound
from app.i18n import is_country, local_date

REFERENCE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
HOUSE_CUSTOMER_ID: Final = 1
HOUSE_REFERENCE: Final = "house"


class UnknownCustomer(NotFound):
    code = "unknown_customer"
    title = lazy_gettext("There is no customer with this reference.")


class ReferenceTaken(Conflict):
    code = "reference_taken"
    title = lazy_gettext("There is a customer with this reference already.")


# References never change, so what was found once may be remembered by each process.
_known: dict[str, int] = {}


def customer_ids_of(references: Collection[str]) -> dict[str, int]:
    """Ids of those references that exist. At most one statement, none for references seen before."""
    unknown = {reference for reference in references if reference not in _known}
    if unknown:
        rows = db.session.execute(
            select(CustomerReference.reference, CustomerReference.customer_id).where(
                CustomerReference.reference.in_(unknown)
            )
        )
        _known.update({row.reference: row.customer_id for row in rows})
    return {reference: _known[reference] for reference in references if reference in _known}


def forget_references() -> None:
    """For tests, whose databases come and go within one process."""
    _known.clear()


def find_customer(reference: str) -> Customer:
    """Raises UnknownCustomer."""
    found = customer_ids_of([reference]) if REFERENCE.fullmatch(reference) else {}
    if reference not in found:
        raise UnknownCustomer
    return get_customer(found[reference])


def get_customer(customer_id: int) -> Customer:
    """Raises UnknownCustomer."""
    customer = db.session.get(Customer, customer_id)
    if customer is None or customer.kind == "house":
        raise UnknownCustomer
    return customer


def get_customers(customer_ids: Collection[int]) -> dict[int, Customer]:
    """Those of these customers that exist, by id, in one statement."""
    query = select(Customer).where(among(Customer.customer_id, customer_ids), Customer.kind != "house")
    return {customer.customer_id: customer for customer in db.session.scalars(query)}


def wanting_empty_invoices() -> dict[int, datetime]:
    """Customers that are invoiced also when they used nothing, with the moment they became customers."""
    rows = db.session.execute(
        select(Customer.customer_id, Customer.created_at).where(
            Customer.invoice_empty_periods, Customer.status == "active"
        )
    )
    return {row.customer_id: row.created_at for row in rows}


def list_customers(*, search: str = "", after_id: int = 0, limit: int = 50) -> list[Customer]:
    """Customers by id, those whose reference, name or e-mail contains `search`."""
    query = found_by(search).where(Customer.customer_id > after_id)
    return list(db.session.scalars(query.order_by(Customer.customer_id).limit(limit)))


def found_by(search: str) -> Select[Customer]:
    """The customers whose reference, name or e-mail contains this."""
    query = select(Customer).where(Customer.kind != "house")
    if not search:
        return query
    return query.where(
        Customer.reference.icontains(search, autoescape=True)
        | Customer.name.icontains(search, autoescape=True)
        | Customer.email.icontains(search, autoescape=True)
    )


def create_customer(facts: Mapping[str, Any]) -> Customer:
    """A customer from the API's fields, without its balance: `app.ledger` opens that.

    Raises Invalid naming the field, ReferenceTaken.
    """
    reference = facts.get("reference")
    if not isinstance(reference, str) or not REFERENCE.fullmatch(reference) or reference == HOUSE_REFERENCE:
        raise Invalid(
            lazy_gettext("A reference has 1 to 64 letters, digits, dots, dashes or underscores."),
            field="reference",
        )
    if reference in customer_ids_of([reference]):
        raise ReferenceTaken(field="reference")
    values = {"kind": "business", "country": "NL", "locale": settings().default_locale} | dict(facts)
    values.pop("reference")
    customer = Customer(
        customer_id=db.session.scalar(select(customer_id_seq.next_value())),
        reference=reference,
        currency=settings().currency,
        status="active",
        created_at=utc_now(),
        address_line1="",
        postal_code="",
        city="",
        provisional_limit_micros=0,
        billing_cycles=cycles.of_new_customer(
            _CHECKS["billing_cycle"](values.pop("billing_cycle", cycles.MONTHLY))
        ),
        invoice_empty_periods=False,
        resells_telecom=False,
    )
    for required in ("name", "email"):
        if not values.get(required):
            raise Invalid(lazy_gettext("This field is required."), field=required)
    change_customer(customer, values)
    db.session.add(customer)
    db.session.execute(
        insert(CustomerReference).values(reference=reference, customer_id=customer.customer_id)
    )
    db.session.flush()
    return customer


def change_customer(customer: Customer, facts: Mapping[str, Any]) -> None:
    """Apply the API's fields. Raises Invalid naming the first that is wrong; then nothing is changed."""
    clean: dict[str, Any] = {}
    for name, value in facts.items():
        if name == "address":
            clean.update(_address(value))
        elif name == "reference":
            if value != customer.reference:
                raise Invalid(lazy_gettext("A reference never changes."), field="reference")
        elif name in _CHECKS:
            clean[name] = _CHECKS[name](value)
        else:
            raise Invalid(lazy_gettext("This field is not known here."), field=name)
    if "billing_cycle" in clean:
        cycle = clean.pop("billing_cycle")
        clean["billing_cycles"] = cycles.changed(customer.billing_cycles, cycle, local_date(utc_now()))
    for name, value in clean.items():
        setattr(customer, name, value)


def checked(field: str, value: object) -> Any:
    """A fact of a customer as it is kept. Raises Invalid naming the field."""
    return _CHECKS[field](value)


def members_of(customer_id: int) -> list[Membership]:
    return list(db.session.scalars(select(Membership).where(Membership.customer_id == customer_id)))


def end_api_keys(customer_id: int) -> None:
    """The customer's own keys open nothing any more. In a unit of work; again is harmless."""
    query = select(ApiKey).where(ApiKey.customer_id == customer_id, ApiKey.revoked_at.is_(None))
    for key in db.session.scalars(query.with_for_update().execution_options(populate_existing=True)):
        key.revoked_at = utc_now()
    db.session.flush()


def to_json(customer: Customer) -> dict[str, Any]:
    """The API's shape of a customer."""
    return {
        "reference": customer.reference,
        "name": customer.name,
        "email": customer.email,
        "kind": customer.kind,
        "country": customer.country,
        "locale": customer.locale,
        "currency": customer.currency,
        "vat_number": customer.vat_number,
        "address": {
            "line1": customer.address_line1,
            "postal_code": customer.postal_code,
            "city": customer.city,
        },
        "purchase_order": customer.purchase_order,
        "payment_term_days": customer.payment_term_days,
        "billing_cycle": customer.billing_cycle,
        "invoice_empty_periods": customer.invoice_empty_periods,
        "resells_telecom": customer.resells_telecom,
        "status": customer.status,
    }


def _text(field: str, most: int, *, least: int = 0) -> Any:
    def check(value: object) -> str:
        if not isinstance(value, str) or not least <= len(value.strip()) <= most or "\x00" in value:
            raise Invalid(
                lazy_gettext("Give a text of %(least)s to %(most)s characters.", least=least, most=most),
                field=field,
            )
        return value.strip()

    return check


def _optional_text(field: str, most: int) -> Any:
    check = _text(field, most)

    def optional(value: object) -> str | None:
        return None if value is None or value == "" else check(value)

    return optional


def _choice(field: str, *choices: str) -> Any:
    def check(value: object) -> str:
        if value not in choices or not isinstance(value, str):
            raise Invalid(
                lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(choices)), field=field
            )
        return value

    return check


def _email(value: object) -> str:
    try:
        checked = validate_email(str(value), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Invalid(lazy_gettext("This is not an e-mail address."), field="email") from error
    return str(checked.normalized)


def _country(value: object) -> str:
    if not isinstance(value, str) or not is_country(value):
        raise Invalid(lazy_gettext("Give a country as two capitals, such as NL."), field="country")
    return value


def _vat_number(value: object) -> str | None:
    if value is None or value == "":
        return None
    compact = re.sub(r"[\s.-]", "", str(value)).upper()
    if not vat.is_valid(compact):
        raise Invalid(lazy_gettext("This is not a valid VAT number."), field="vat_number")
    return compact


def _currency(value: object) -> str:
    return str(_choice("currency", settings().currency)(value))


def _term(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 120:
        raise Invalid(lazy_gettext("Give a number of days from 0 to 120."), field="payment_term_days")
    return value


def _yes_or_no(field: str) -> Any:
    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise Invalid(lazy_gettext("Say true or false."), field=field)
        return value

    return check


def _address(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not set(value) <= {"line1", "postal_code", "city"}:
        raise Invalid(lazy_gettext("An address has line1, postal_code and city."), field="address")
    checks = {
        "line1": ("address_line1", _text("address", 200)),
        "postal_code": ("postal_code", _text("address", 16)),
        "city": ("city", _text("address", 100)),
    }
    return {checks[name][0]: checks[name][1](part) for name, part in value.items()}


_CHECKS: Final = {
    "name": _text("name", 200, least=1),
    "email": _email,
    "kind": _choice("kind", "business", "consumer"),
    "country": _country,
    "locale": _choice("locale", "nl", "en"),
    "currency": _currency,
    "vat_number": _vat_number,
    "purchase_order": _optional_text("purchase_order", 64),
    "payment_term_days": _term,
    "billing_cycle": _choice("billing_cycle", *cycles.CYCLES),
    "invoice_empty_periods": _yes_or_no("invoice_empty_periods"),
    "resells_telecom": _yes_or_no("resells_telecom"),
}


def billing_email(customer: Customer) -> str:
    """Where this customer's documents and payment mails go."""
    return customer.email


def check_email(value: str) -> str:
    """The address in its usual spelling. Raises Invalid."""
    return _email(value)

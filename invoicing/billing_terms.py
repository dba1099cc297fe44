"""How a customer's usage, subscriptions and one-off charges are billed and paid, each on its own terms.

Only what differs from the usual is a row. Usual is: a subscription has an invoice of its own, a one-off
charge goes onto the next usage invoice, the customer's own payment term holds, nothing is paid automatically.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.db import among, db
from app.errors import Invalid
from app.ledger import service as ledger
from invoicing.charge_models import BillingTerms

ChargeType = Literal["usage", "subscription", "one_off"]
CHARGE_TYPES: Final[tuple[ChargeType, ...]] = ("usage", "subscription", "one_off")
MAX_TERM_DAYS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`term_days` None: the customer's own. `is_separate`: a document of its own, else with the usage."""

    charge_type: ChargeType
    term_days: int | None = None
    is_separate: bool
    auto_pay: bool = False
    uses_balance: bool = True


USUAL: Final[Mapping[ChargeType, Terms]] = {
    "usage": Terms(charge_type="usage", is_separate=True),
    "subscription": Terms(charge_type="subscription", is_separate=True),
    "one_off": Terms(charge_type="one_off", is_separate=False),
}


def terms_of(customer_id: int, charge_type: ChargeType) -> Terms:
    """What holds for a kind of charge of this customer."""
    row = db.session.get(BillingTerms, (customer_id, charge_type))
    return USUAL[charge_type] if row is None else _terms(row)


def all_terms(customer_id: int) -> dict[ChargeType, Terms]:
    """Per kind of charge what holds for this customer, in one statement."""
    rows = db.session.scalars(select(BillingTerms).where(BillingTerms.customer_id == customer_id))
    found = {terms.charge_type: terms for terms in map(_terms, rows)}
    return {charge_type: found.get(charge_type, USUAL[charge_type]) for charge_type in CHARGE_TYPES}


def terms_of_each(customer_ids: Collection[int], charge_type: ChargeType) -> dict[int, Terms]:
    """The terms of several customers, in one statement; usual terms are left out."""
    rows = db.session.scalars(
        select(BillingTerms).where(
            among(BillingTerms.customer_id, customer_ids), BillingTerms.charge_type == charge_type
        )
    )
    return {row.customer_id: _terms(row) for row in rows}


def set_terms(customer_id: int, charge_type: ChargeType, facts: Mapping[str, Any]) -> Terms:
    """Agree on terms; what `facts` leaves out stays as it was. In a unit of work. Raises Invalid."""
    ledger.lock_balance(customer_id)
    row = db.session.get(BillingTerms, (customer_id, charge_type), populate_existing=True)
    before = USUAL[charge_type] if row is None else _terms(row)
    values: dict[str, Any] = {
        "term_days": before.term_days,
        "is_separate": before.is_separate,
        "auto_pay": before.auto_pay,
        "uses_balance": before.uses_balance,
    }
    for name, value in facts.items():
        if name not in values:
            raise Invalid(lazy_gettext("This field is not known here."), field=name)
        values[name] = _term(value) if name == "term_days" else _choice(name, value)
    if charge_type == "usage" and not values["is_separate"]:
        raise Invalid(
            lazy_gettext("Usage always has its own invoice; the others may join it."), field="is_separate"
        )
    if row is None:
        db.session.add(BillingTerms(customer_id=customer_id, charge_type=charge_type, **values))
    else:
        for name, value in values.items():
            setattr(row, name, value)
    db.session.flush()
    return Terms(charge_type=charge_type, **values)


def to_json(terms: Terms) -> dict[str, Any]:
    """The API's shape."""
    return {
        "documents": "separate" if terms.is_separate else "together",
        "term_days": terms.term_days,
        "auto_pay": terms.auto_pay,
        "uses_balance": terms.uses_balance,
    }


def _terms(row: BillingTerms) -> Terms:
    (charge_type,) = (known for known in CHARGE_TYPES if known == row.charge_type)
    return Terms(
        charge_type=charge_type,
        term_days=row.term_days,
        is_separate=row.is_separate,
        auto_pay=row.auto_pay,
        uses_balance=row.uses_balance,
    )


def _term(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_TERM_DAYS:
        raise Invalid(
            lazy_gettext("Give a term of 0 to %(most)s days.", most=MAX_TERM_DAYS), field="term_days"
        )
    return value


def _choice(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Invalid(lazy_gettext("This is yes or no."), field=name)
    return value

"""One-off charges: something supplied beside usage and subscriptions, billed once.

It waits for the next usage invoice, or has an invoice of its own at once. It may be withdrawn while it
waits; afterwards only a credit note takes it back.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, cast

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.clock import utc_now
from app.config import settings
from app.customers import service as customers
from app.customers.models import Customer
from app.db import among, db
from app.errors import Conflict, Invalid, NotFound
from app.i18n import local_date
from app.ledger import service as ledger
from app.public_ids import new_public_id
from invoicing import charge_attachments, charge_documents
from invoicing.billing_terms import terms_of
from invoicing.charge_attachments import Upload
from invoicing.charge_documents import Document
from invoicing.charge_models import AT_ONCE, NEXT_INVOICE, Charge, ChargeAttachment
from invoicing.extras import PendingCharge
from invoicing.lines import charge_line
from invoicing.models import Invoice
from invoicing.tax import Treatment
from invoicing.tax_rates import Product
from invoicing.treatments import treatment_for

Billed = Literal["next_invoice", "at_once"]
Status = Literal["pending", "billed", "withdrawn"]
MAX_DESCRIPTION: Final = 200
MAX_CENTS: Final = 100_000_000_00
MOST_DAYS_AWAY: Final = 366
_ID: Final = re.compile(r"ch_[0-9a-z]{1,12}_[0-9a-z]{20}")


class UnknownCharge(NotFound):
    code = "unknown_charge"
    title = lazy_gettext("There is no such charge.")


class ChargeBilled(Conflict):
    code = "charge_billed"
    title = lazy_gettext("This charge has been billed. A credit note can take it back.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCharge:
    """What somebody wants to charge. `billed` None: as was agreed with the customer. The amount is net."""

    description: str
    charged_on: date
    net_cents: int
    product: Product
    request_key: str
    created_by: str
    billed: Billed | None = None
    attachment: Upload | None = None


def add(customer: Customer, wish: NewCharge) -> Charge:
    """Charge it, once per request key. In a unit of work. Raises Invalid."""
    ledger.lock_balance(customer.customer_id)
    mine = select(Charge).where(Charge.customer_id == customer.customer_id)
    made = db.session.scalars(mine.where(Charge.request_key == wish.request_key)).one_or_none()
    if made is not None:
        return made
    _check(wish)
    terms = terms_of(customer.customer_id, "one_off")
    charge = Charge(
        customer_id=customer.customer_id,
        charge_id=new_public_id("ch", customer.customer_id),
        charged_on=wish.charged_on,
        description=" ".join(wish.description.split()),
        net_cents=wish.net_cents,
        product=wish.product,
        billed=wish.billed or (AT_ONCE if terms.is_separate else NEXT_INVOICE),
        created_at=utc_now(),
        created_by=wish.created_by,
        request_key=wish.request_key,
    )
    db.session.add(charge)
    db.session.flush()
    if wish.attachment is not None:
        charge_attachments.keep(charge, wish.attachment)
    if charge.billed == AT_ONCE:
        _bill_at_once(customer, charge)
    return charge


def withdraw(customer_id: int, charge_id: str) -> Charge:
    """Take back a charge that waits; again is harmless. Raises UnknownCharge, ChargeBilled."""
    ledger.lock_balance(customer_id)
    charge = find(customer_id, charge_id)
    if charge.billed_period is not None or charge.invoice_id is not None:
        raise ChargeBilled
    charge.withdrawn_at = charge.withdrawn_at or utc_now()
    db.session.flush()
    return charge


def find(customer_id: int, charge_id: str) -> Charge:
    """Raises UnknownCharge, also when it is another customer's."""
    found = None
    if _ID.fullmatch(charge_id):
        found = db.session.get(Charge, (customer_id, charge_id), populate_existing=True)
    if found is None:
        raise UnknownCharge
    return found


def today() -> date:
    """The day on which something is charged that names no other."""
    return local_date(utc_now())


def status_of(charge: Charge) -> Status:
    if charge.withdrawn_at is not None:
        return "withdrawn"
    return "pending" if charge.billed_period is None and charge.invoice_id is None else "billed"


def listed(customer_id: int, *, after: str | None = None, limit: int = 50) -> tuple[list[Charge], str | None]:
    """The newest first, and the cursor of the next page."""
    query = (
        select(Charge)
        .where(Charge.customer_id == customer_id)
        .order_by(Charge.created_at.desc(), Charge.charge_id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        last = find(customer_id, after)
        query = query.where(
            (Charge.created_at < last.created_at)
            | ((Charge.created_at == last.created_at) & (Charge.charge_id < last.charge_id))
        )
    found = list(db.session.scalars(query))
    return found[:limit], found[limit - 1].charge_id if len(found) > limit else None


def numbers_of(customer_id: int, charges: Sequence[Charge]) -> dict[str, str]:
    """By charge the number of the invoice that bills it."""
    ids = {one.invoice_id for one in charges if one.invoice_id}
    keys = {one.billed_period.isoformat() for one in charges if one.billed_period}
    if not ids and not keys:
        return {}
    rows = db.session.execute(
        select(Invoice.number, Invoice.invoice_id, Invoice.close_key).where(
            Invoice.customer_id == customer_id,
            Invoice.invoice_id.in_(ids) | Invoice.close_key.in_(keys),
        )
    ).all()
    by_id = {row.invoice_id: row.number for row in rows}
    by_key = {row.close_key: row.number for row in rows if row.close_key}
    found = {
        one.charge_id: by_id.get(one.invoice_id)
        or by_key.get(one.billed_period.isoformat() if one.billed_period else "")
        for one in charges
    }
    return {charge_id: number for charge_id, number in found.items() if number}


def attached_to(invoice: Invoice) -> list[tuple[Charge, str]]:
    """The charges on an invoice that have an attachment, with its file name."""
    if not any(line.kind == "charge" for line in invoice.lines):
        return []
    mine = Charge.invoice_id == invoice.invoice_id
    if invoice.close_key:
        mine |= Charge.billed_period == invoice.period_start
    rows = db.session.execute(
        select(Charge, ChargeAttachment.filename)
        .join(
            ChargeAttachment,
            (ChargeAttachment.customer_id == Charge.customer_id)
            & (ChargeAttachment.charge_id == Charge.charge_id),
        )
        .where(Charge.customer_id == invoice.customer_id, mine)
        .order_by(Charge.charged_on, Charge.charge_id)
    )
    return [(row.Charge, row.filename) for row in rows]


class Waiting:
    """One-off charges for the closes: see `extras.ChargeSource`."""

    def waiting(self, before: date) -> Collection[int]:
        return set(db.session.scalars(select(Charge.customer_id).where(*_pending(before)).distinct()))

    def among(self, customer_ids: Collection[int]) -> Collection[int]:
        mine = among(Charge.customer_id, customer_ids)
        return set(db.session.scalars(select(Charge.customer_id).where(mine, *_pending(date.max))))

    def pending(self, customer_id: int, before: date) -> Sequence[PendingCharge]:
        charges = db.session.scalars(
            select(Charge)
            .where(Charge.customer_id == customer_id, *_pending(before))
            .order_by(Charge.charged_on, Charge.charge_id)
        ).all()
        if not charges:
            return []
        customer = customers.get_customer(customer_id)
        return [
            PendingCharge(
                reference=one.charge_id,
                description=one.description,
                on=one.charged_on,
                unit_price=Decimal(one.net_cents).scaleb(-2),
                treatment=treatment_for(customer, one.charged_on, cast("Product", one.product)),
            )
            for one in charges
        ]

    def bill(self, customer_id: int, period_start: date, taxed: Mapping[str, Treatment]) -> None:
        for reference in taxed:
            charge = find(customer_id, reference)
            if charge.billed_period or charge.invoice_id or charge.withdrawn_at:
                raise ChargeBilled(reference)
            charge.billed_period = period_start
        db.session.flush()


def _pending(before: date) -> tuple[Any, ...]:
    return (
        Charge.billed_period.is_(None),
        Charge.invoice_id.is_(None),
        Charge.withdrawn_at.is_(None),
        Charge.charged_on < before,
    )


def _check(wish: NewCharge) -> None:
    description = " ".join(wish.description.split())
    if not 1 <= len(description) <= MAX_DESCRIPTION or not description.isprintable():
        raise Invalid(
            lazy_gettext("Describe it in at most %(most)s characters.", most=MAX_DESCRIPTION),
            field="description",
        )
    if not 0 < wish.net_cents <= MAX_CENTS:
        raise Invalid(lazy_gettext("Give an amount in whole cents, above zero."), field="amount")
    if abs((wish.charged_on - today()).days) > MOST_DAYS_AWAY:
        raise Invalid(lazy_gettext("Give a day within a year from today."), field="date")


def _bill_at_once(customer: Customer, charge: Charge) -> None:
    terms = terms_of(customer.customer_id, "one_off")
    of_customer = customer.payment_term_days
    usual = settings().payment_term_days if of_customer is None else of_customer
    days = usual if terms.term_days is None else terms.term_days
    document = Document(
        customer=customer,
        lines=(
            charge_line(
                quantity=Decimal(1),
                unit_price=Decimal(charge.net_cents).scaleb(-2),
                treatment=treatment_for(customer, charge.charged_on, cast("Product", charge.product)),
                names={"nl": charge.description, "en": charge.description},
                supplied=(charge.charged_on, charge.charged_on),
            ),
        ),
        due_date=today() + timedelta(days=days),
        uses_balance=terms.uses_balance,
        reference=charge.charge_id,
    )
    (issued,) = charge_documents.issue([charge_documents.post(document)])
    charge.invoice_id = issued.invoice_id
    db.session.flush()

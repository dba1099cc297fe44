"""Who gets a customer's mails: the customer itself, or the addressees it names, each as it wishes.

A customer without an addressee for a kind of mail gets it itself, so that no mail is ever without a reader.
Each document goes to each addressee once: the mail's key names both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from flask_babel import lazy_gettext
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    Uuid,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from app import mail
from app.clock import utc_now
from app.customers import mailing
from app.customers.models import Customer
from app.customers.service import billing_email, get_customer
from app.customers.service import checked as checked_field
from app.db import Model, UtcDateTime, db
from app.errors import Conflict, Invalid, NotFound

Kind = Literal["invoices", "payments"]
MOST: Final = 20
ROLES: Final = ("payer", "bookkeeper", "other")
DELIVERIES: Final = ("documents", "notice")
FIELDS: Final = ("email", "name", "locale", "role", "delivery", "invoices", "payments")


class BillingAddressee(Model):
    """One address that gets a customer's invoices, or what concerns their payment, or both."""

    __tablename__ = "billing_addressee"

    customer_id: Mapped[int] = mapped_column(BigInteger)
    addressee_id: Mapped[UUID] = mapped_column(Uuid)
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(200))
    locale: Mapped[str | None] = mapped_column(String(2))
    role: Mapped[str] = mapped_column(String(16))
    delivery: Mapped[str] = mapped_column(String(16))
    invoices: Mapped[bool] = mapped_column(Boolean)
    payments: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[UtcDateTime]

    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "addressee_id"),
        UniqueConstraint("customer_id", "email"),
        ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], ondelete="RESTRICT"),
        CheckConstraint("locale IN ('nl', 'en')", name="locale"),
        CheckConstraint("role IN ('payer', 'bookkeeper', 'other')", name="role"),
        CheckConstraint("delivery IN ('documents', 'notice')", name="delivery"),
        CheckConstraint("invoices OR payments", name="gets_something"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Where a mail goes. `key` sets it apart from the same mail to others; empty for the customer itself."""

    email: str
    name: str
    locale: str | None
    with_documents: bool
    key: str


class UnknownAddressee(NotFound):
    code = "unknown_addressee"
    title = lazy_gettext("There is no such addressee.")


class AddresseeTaken(Conflict):
    code = "addressee_taken"
    title = lazy_gettext("This e-mail address is an addressee already.")


class TooManyAddressees(Conflict):
    code = "too_many_addressees"
    title = lazy_gettext("A customer has at most 20 addressees.")


def addressees_of(customer_id: int) -> list[BillingAddressee]:
    query = select(BillingAddressee).where(BillingAddressee.customer_id == customer_id)
    return list(db.session.scalars(query.order_by(BillingAddressee.created_at, BillingAddressee.email)))


def find_addressee(customer_id: int, addressee_id: UUID) -> BillingAddressee:
    """Raises UnknownAddressee, also when it is another customer's."""
    found = db.session.get(BillingAddressee, (customer_id, addressee_id))
    if found is None:
        raise UnknownAddressee
    return found


def recipients(customer: Customer, kind: Kind) -> list[Recipient]:
    """Who gets mails of a kind; never nobody. People of the team who want a copy get one besides."""
    own = billing_email(customer)
    named = [one for one in addressees_of(customer.customer_id) if getattr(one, kind)]
    found = [recipient_of(one, own) for one in named] or [own_recipient(customer)]
    taken = {one.email.casefold() for one in found}
    return found + [
        Recipient(email=one.email, name=one.name, locale=one.locale, with_documents=True, key=one.key)
        for one in mailing.readers(customer.customer_id, kind)
        if one.email.casefold() not in taken
    ]


def own_recipient(customer: Customer) -> Recipient:
    """The customer itself, as it gets its mails without addressees."""
    return Recipient(email=billing_email(customer), name="", locale=None, with_documents=True, key="")


def recipient_of(addressee: BillingAddressee, own_email: str) -> Recipient:
    """The customer's own address is one key, whether it is named as an addressee or not."""
    is_own = addressee.email.casefold() == own_email.casefold()
    return Recipient(
        email=addressee.email,
        name=addressee.name,
        locale=addressee.locale,
        with_documents=addressee.delivery == "documents",
        key="" if is_own else addressee.addressee_id.hex,
    )


def send(
    template: str,
    kind: Kind,
    *,
    customer_id: int,
    locale: str,
    dedupe_key: str,
    context: Mapping[str, Any],
    attachments: Sequence[mail.Attachment] = (),
) -> None:
    """A mail to each who gets this kind, in their language and as they wish it. Inside a unit of work."""
    for recipient in recipients(get_customer(customer_id), kind):
        send_to(
            recipient,
            template,
            customer_id=customer_id,
            locale=locale,
            dedupe_key=dedupe_key,
            context=context,
            attachments=attachments,
        )


def send_to(
    recipient: Recipient,
    template: str,
    *,
    customer_id: int,
    locale: str,
    dedupe_key: str,
    context: Mapping[str, Any],
    attachments: Sequence[mail.Attachment] = (),
) -> int | None:
    """The mail to one of them; None when it was made before."""
    wanted = attachments if recipient.with_documents else ()
    return mail.send(
        template,
        to=recipient.email,
        locale=recipient.locale or locale,
        customer_id=customer_id,
        context={**context, "reader": recipient.name, "attached": bool(wanted)},
        attachments=wanted,
        dedupe_key=f"{dedupe_key}-{recipient.key}" if recipient.key else dedupe_key,
    )


def add(customer_id: int, facts: Mapping[str, Any]) -> BillingAddressee:
    """A new addressee; one that is there already with just these facts is answered again.

    Raises Invalid naming the field, AddresseeTaken, TooManyAddressees.
    """
    # The customer's row orders those who add at once.
    db.session.get(Customer, customer_id, with_for_update={"key_share": True}, populate_existing=True)
    values = _DEFAULTS | _checked(facts)
    if "email" not in values:
        raise Invalid(lazy_gettext("This field is required."), field="email")
    _check_gets_something(values)
    existing = addressees_of(customer_id)
    for one in existing:
        if one.email.casefold() == values["email"].casefold():
            if all(getattr(one, name) == value for name, value in values.items()):
                return one
            raise AddresseeTaken(field="email")
    if len(existing) >= MOST:
        raise TooManyAddressees
    made = BillingAddressee(customer_id=customer_id, addressee_id=uuid4(), created_at=utc_now(), **values)
    db.session.add(made)
    db.session.flush()
    return made


def change(customer_id: int, addressee_id: UUID, facts: Mapping[str, Any]) -> BillingAddressee:
    """Raises UnknownAddressee, Invalid naming the field, AddresseeTaken."""
    db.session.get(Customer, customer_id, with_for_update={"key_share": True}, populate_existing=True)
    addressee = find_addressee(customer_id, addressee_id)
    values = {name: getattr(addressee, name) for name in FIELDS} | _checked(facts)
    _check_gets_something(values)
    others = [one for one in addressees_of(customer_id) if one.addressee_id != addressee_id]
    if any(one.email.casefold() == values["email"].casefold() for one in others):
        raise AddresseeTaken(field="email")
    for name, value in values.items():
        setattr(addressee, name, value)
    db.session.flush()
    return addressee


def remove(customer_id: int, addressee_id: UUID) -> None:
    """Raises UnknownAddressee. What was mailed to it stays in the mail log."""
    db.session.delete(find_addressee(customer_id, addressee_id))
    db.session.flush()


def bounces_of(customer_id: int) -> dict[str, tuple[datetime, str]]:
    """Addresses from which mail came back, with the last time and why."""
    return mail.bounces(customer_id)


def to_json(addressee: BillingAddressee) -> dict[str, Any]:
    """The API's shape of an addressee."""
    return {"id": str(addressee.addressee_id)} | {name: getattr(addressee, name) for name in FIELDS}


_DEFAULTS: Final[dict[str, Any]] = {
    "name": "",
    "locale": None,
    "role": "other",
    "delivery": "documents",
    "invoices": True,
    "payments": False,
}


def _checked(facts: Mapping[str, Any]) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for name, value in facts.items():
        if name not in FIELDS:
            raise Invalid(lazy_gettext("This field is not known here."), field=name)
        clean[name] = _check(name, value)
    return clean


def _check(name: str, value: object) -> object:
    if name == "email":
        return checked_field("email", value)
    if name == "name":
        return "" if value in ("", None) else checked_field("name", value)
    if name == "locale":
        return None if value in ("", None) else checked_field("locale", value)
    if name in ("invoices", "payments"):
        if not isinstance(value, bool):
            raise Invalid(lazy_gettext("Say true or false."), field=name)
        return value
    choices = ROLES if name == "role" else DELIVERIES
    if value not in choices:
        raise Invalid(lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(choices)), field=name)
    return value


def _check_gets_something(values: Mapping[str, Any]) -> None:
    if not values["invoices"] and not values["payments"]:
        raise Invalid(lazy_gettext("Choose at least one kind of e-mail."), field="invoices")

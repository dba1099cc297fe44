"""`/v1`: pay links, with which whoever pays the bills pays an invoice or tops up, without an account."""

from datetime import datetime
from typing import Annotated, Any

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from msgspec import Meta, Struct

from app import api
from app.config import settings
from app.customers import service as customers
from app.customers.auth import require_api_key
from app.db import in_unit_of_work
from app.errors import Invalid
from app.money import InvalidMoney
from app.money import Money as Amount
from app.public_ids import customer_of
from app.reference.statements import Listed, Money, Nothing, describe
from invoicing import errors as invoicing_errors
from invoicing import service as invoicing
from topups import errors as topup_errors
from topups import service as topups

blueprint = Blueprint("pay_links_api", __name__, url_prefix="/v1")


class AmountOrInvoice(Invalid):
    code = "amount_or_invoice"
    title = lazy_gettext("Give either an amount to top up with, or the number of an invoice.")


class NewPayLink(Struct, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of `amount` and `invoice`."""

    amount: Annotated[Money | None, Meta(description="Tops up the balance by this, once.")] = None
    invoice: Annotated[
        Annotated[str, Meta(min_length=1, max_length=32)] | None,
        Meta(description="The number of an invoice: what is outstanding then is paid."),
    ] = None


class PayLink(Struct):
    id: str
    url: Annotated[str, Meta(description="The secret address of the page; whoever has it may pay.")]
    amount: Money | None
    invoice: str | None
    paid: Annotated[bool, Meta(description="Whether somebody has paid by this link.")]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@blueprint.get("/customers/<reference>/pay-links")
@require_api_key
@describe(Listed[PayLink], problems=(customers.UnknownCustomer,))
def list_pay_links(reference: str) -> ResponseReturnValue:
    """List a customer's pay links that work, the newest first."""
    customer = customers.find_customer(reference)
    links = topups.pay_links(customer.customer_id)
    paid = topups.paid_pay_links(customer.customer_id, links)
    return jsonify(api.listed([pay_link_json(link, paid) for link in links], None))


@blueprint.post("/customers/<reference>/pay-links")
@require_api_key
@api.idempotent(required=True)
@describe(
    PayLink,
    201,
    takes=NewPayLink,
    problems=(
        customers.UnknownCustomer,
        InvalidMoney,
        AmountOrInvoice,
        topup_errors.AmountOutsideLimits,
        topup_errors.AmountNotWholeCents,
        topup_errors.CustomerClosed,
        invoicing_errors.UnknownInvoice,
        invoicing_errors.NothingToPay,
    ),
)
def create_pay_link(reference: str) -> ResponseReturnValue:
    """Make a pay link.

    While a link for the same amount or invoice works and nobody has paid by it, that one is answered.
    """
    body = api.read_object("amount", "invoice")
    customer_id = customers.find_customer(reference).customer_id
    amount, number = body.get("amount"), body.get("invoice")
    if (amount is None) == (number is None):
        raise AmountOrInvoice(field="amount")
    if number is not None:
        _check_open(number, customer_id)
    made = in_unit_of_work(
        topups.make_pay_link,
        customer_id,
        amount_micros=None if amount is None else Amount.from_json(amount, field="amount").micros,
        invoice_number=number,
    )
    return jsonify(pay_link_json(made, topups.paid_pay_links(customer_id, [made]))), 201


@blueprint.post("/pay-links/<pay_link_id>/revoke")
@require_api_key
@api.idempotent(required=False)
@describe(PayLink, takes=Nothing, problems=(topups.DeadPayLink,))
def revoke_pay_link(pay_link_id: str) -> ResponseReturnValue:
    """Withdraw a pay link; it leads nowhere from now on."""
    api.read_object()
    customer_id = customer_of(pay_link_id)
    link = in_unit_of_work(topups.revoke_pay_link, customer_id, pay_link_id)
    return jsonify(pay_link_json(link, topups.paid_pay_links(customer_id, [link])))


def address(link: topups.PayLink) -> str:
    """Where the payer goes."""
    return settings().public_url.rstrip("/") + url_for("pay.show", token=link.pay_link_id)


def pay_link_json(link: topups.PayLink, paid: set[str]) -> dict[str, Any]:
    return {
        "id": link.pay_link_id,
        "url": address(link),
        "amount": None if link.amount_micros is None else Amount(link.amount_micros).to_json(),
        "invoice": link.invoice_number,
        "paid": link.pay_link_id in paid,
        "created_at": link.created_at.isoformat(),
        "expires_at": link.expires_at.isoformat(),
        "revoked_at": link.revoked_at.isoformat() if link.revoked_at else None,
    }


def _check_open(number: object, customer_id: int) -> None:
    """Raises UnknownInvoice, NothingToPay."""
    if not isinstance(number, str):
        raise invoicing_errors.UnknownInvoice
    if invoicing.status_now(invoicing.find(number, customer_id)) in {"paid", "credited"}:
        raise invoicing_errors.NothingToPay

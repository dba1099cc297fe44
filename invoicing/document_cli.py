"""`flask --app wsgi invoicing issue | resend`: single documents by hand."""

from uuid import uuid4

import click

from app.customers.service import get_customer
from app.db import in_unit_of_work
from app.errors import AppError
from app.i18n import in_locale
from app.ledger import service as ledger
from invoicing import payment_requests, reading, resending


class NotARequest(click.ClickException):
    """Only what was asked for and is not invoiced yet can be issued."""


@click.command("issue")
@click.argument("request")
def issue(request: str) -> None:
    """Issue the invoice of a payment request now, paid or not; prints its number."""
    with in_locale("en"):
        try:
            click.echo(in_unit_of_work(_issue, request))
        except AppError as error:
            raise click.ClickException(str(error.detail or error.title)) from error


def _issue(request: str) -> str:
    ledger.lock_balances({reading.find(request).customer_id})
    found = reading.find(request)
    if not found.is_request:
        raise NotARequest(f"{request} is {found.number}: it was issued already")
    payment_requests.issue([found])
    return found.number


@click.command("resend")
@click.argument("number")
@click.option(
    "--to", "address", default=None, help="One of the customer's addressees; the customer otherwise."
)
def resend(number: str, address: str | None) -> None:
    """Mail an issued document once more, as it was stored."""
    with in_locale("en"):
        try:
            click.echo(in_unit_of_work(_resend, number, address))
        except AppError as error:
            raise click.ClickException(str(error.detail or error.title)) from error


def _resend(number: str, address: str | None) -> str:
    customer = get_customer(reading.find(number).customer_id)
    known = {email.casefold(): value for value, email in resending.choices(customer)}
    chosen = known.get(address.casefold()) if address else resending.OWN
    if chosen is None:
        raise click.ClickException(f"{address} is none of this customer's addressees")
    return resending.from_form(customer, number, {"token": uuid4().hex, "to": chosen})

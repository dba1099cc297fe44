"""Commands: `flask --app wsgi topups …`."""

import click
from flask.cli import AppGroup

from app.customers.service import find_customer
from app.db import in_unit_of_work
from app.errors import AppError, NotFound
from app.money import Money
from topups.gateway import NoAnswer
from topups.leaving import close
from topups.payouts_cli import payouts_command
from topups.reconciliation import WALK_PAYMENTS, reconcile

group = AppGroup("topups", help="Top-ups.")
group.add_command(payouts_command)


@group.command("close-customer")
@click.argument("reference")
def close_customer_command(reference: str) -> None:
    """Close a customer: no more charges, and what is left of its prepaid money goes back."""
    try:
        customer = find_customer(reference)
    except NotFound as error:
        raise click.ClickException(f"there is no customer {reference}") from error
    try:
        leaving = in_unit_of_work(close, customer.customer_id)
    except AppError as error:
        raise click.ClickException(str(error.title)) from error
    for refund in leaving.refunds:
        click.echo(f"{Money(refund.amount_micros).to_json()['value']} of {refund.top_up_id} goes back")
    if leaving.left_micros:
        left = Money(leaving.left_micros).to_json()["value"]
        click.echo(f"{left} belongs to no payment that can be refunded: pay it by bank transfer")


@group.command("reconcile")
@click.option("--newest", default=WALK_PAYMENTS, show_default=True, help="How many payments to walk.")
def reconcile_command(newest: int) -> None:
    """Compare Mollie's payments, refunds and chargebacks with ours, apply what was missed, print it."""
    try:
        changes = reconcile(newest)
    except NoAnswer as error:
        raise click.ClickException(f"Mollie cannot be asked now: {error}") from error
    for change in changes:
        click.echo(change)
    click.echo(f"{len(changes)} changes or findings.")

"""Commands: `flask --app wsgi topups …`."""

import click
from flask.cli import AppGroup

from topups.gateway import NoAnswer
from topups.reconciliation import WALK_PAYMENTS, reconcile

group = AppGroup("topups", help="Top-ups.")


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

"""`flask --app wsgi ledger …`"""

import sys

import click
from flask.cli import AppGroup

from app.ledger.sealing import seal_all
from app.ledger.verify import verify_all

group = AppGroup("ledger", help="The ledger: verify and seal it.")


@group.command("verify")
def verify() -> None:
    """Recompute every balance from its transfers and check the chain; name any difference."""
    found = verify_all()
    for difference in found.differences:
        click.echo(str(difference))
    click.echo(
        f"{found.customers} customers, {found.transfers} transfers: "
        + (f"{len(found.differences)} differences" if found.differences else "all is right")
    )
    if found.differences:
        sys.exit(1)


@group.command("seal")
def seal() -> None:
    """Chain the transfers that came since the last run."""
    seal_all()

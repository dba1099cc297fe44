"""`flask --app wsgi invoicing export …`: what bookkeeper and tax office ask for, to the screen or a file."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import BinaryIO, TextIO

import click
from flask.cli import AppGroup

from app.clock import utc_now
from app.config import settings
from app.i18n import local_date
from app.ledger import books
from invoicing.exports import accounts, auditfile, declarations, journal
from invoicing.exports.balances import balances
from invoicing.exports.quarters import Quarter
from invoicing.exports.uncollectible import uncollectible

group = AppGroup("export", help="Declarations per quarter, the journal, balances.")
DECLARATIONS = {
    "vat": declarations.vat_return,
    "oss": declarations.oss,
    "icp": declarations.icp,
    "uncollectible": uncollectible,
}
_day = click.DateTime(["%Y-%m-%d"])
_output = click.option("--output", type=click.File("wb"), default="-", help="A file; the screen otherwise.")
_codes = click.option(
    "--accounts",
    "codes",
    type=click.File("r"),
    default=None,
    help="CSV of side,code,name, instead of those set.",
)


@group.command("declaration")
@click.argument("kind", type=click.Choice(list(DECLARATIONS)))
@click.option("--quarter", required=True, help="Such as 2026-Q4.")
@_output
def declaration(kind: str, quarter: str, output: BinaryIO) -> None:
    """The VAT return, the One-Stop Shop, the ICP listing or what was uncollectible in a quarter, as CSV."""
    try:
        wanted = Quarter.parse(quarter)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    output.write(DECLARATIONS[kind](wanted).encode())


@group.command("journal")
@click.option("--from", "start", type=_day, required=True, help="The first day.")
@click.option("--to", "end", type=_day, required=True, help="The last day.")
@click.option("--format", "format_", type=click.Choice(["csv", "xaf"]), default="csv")
@_codes
@_output
def export_journal(
    start: datetime, end: datetime, format_: str, codes: TextIO | None, output: BinaryIO
) -> None:
    """The journal, as CSV or as XML Auditfile Financieel 3.2."""
    try:
        chart = accounts.chart() if codes is None else accounts.accounts_from(codes)
        first, last = start.date(), end.date()
        entries = journal.entries_of(books.totals_by_day(last), first)
        output.write(_journal(entries, chart, first, last, format_))
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _journal(
    entries: list[journal.Entry], chart: accounts.Chart, first: date, last: date, format_: str
) -> bytes:
    if format_ == "csv":
        return "".join(journal.journal_lines(entries, chart)).encode()
    return auditfile.auditfile(
        entries, chart, settings().provider, start=first, end=last, created=local_date(utc_now())
    )


@group.command("balances")
@click.option("--on", "day", type=_day, required=True, help="The end of this day.")
@_codes
@_output
def export_balances(day: datetime, codes: Iterable[str] | None, output: BinaryIO) -> None:
    """What stands on each side at the end of a day, and the deposits held for customers."""
    try:
        chart = accounts.chart() if codes is None else accounts.accounts_from(codes)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    output.write("".join(balances(day.date(), chart)).encode())

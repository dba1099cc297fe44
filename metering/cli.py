"""`flask --app wsgi metering …`: what the provider does by hand with prices and events."""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, BinaryIO, Final

import click
import msgspec
import psycopg
from flask.cli import AppGroup
from psycopg.errors import LockNotAvailable

from app.api import decode_json
from app.clock import utc_now
from app.config import settings
from app.customers.service import find_customer
from app.errors import AppError
from app.i18n import in_locale
from app.money import decimal_of_micros, plain_decimal
from metering import retention, service, trying
from metering.cloudevents import Window, read_many
from metering.periods import day_of, period_of_day

group = AppGroup("metering", help="Prices and events.")
CHUNK: Final = 1000
SHOWN: Final = 50
# How old an event may be is known where it is recorded: months may be dropped meanwhile.
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@group.command("try-price")
@click.argument("meter")
@click.argument("price", type=click.File("rb"))
@click.option("--period", "month", default=None, help="The month, such as 2026-10; last month when left out.")
@click.option("--all", "everybody", is_flag=True, help="Show every customer, not only the greatest 50.")
@click.option("--customer", "reference", default=None, help="Try it in this customer's own list.")
def try_price(
    meter: str, price: BinaryIO, month: str | None, reference: str | None, *, everybody: bool
) -> None:
    """Rate a month again with a price that is not published, and show the difference per customer.

    PRICE is a file with the JSON that would be posted to /v1/meters/METER/prices, or - for standard input.
    """
    with in_locale("en"):
        try:
            document = decode_json(price.read())
            if not isinstance(document, dict):
                raise click.ClickException("The price must be a JSON object.")
            customer_id = find_customer(reference).customer_id if reference else None
            found = trying.try_price(meter, document, _first_of(month), customer_id)
        except AppError as error:
            raise click.ClickException(_told(error)) from error
    click.echo(f"{'customer':<24}{'now':>16}{'tried':>16}{'difference':>16}")
    for one in found if everybody else found[:SHOWN]:
        click.echo(_row(one.reference, one.gross_micros, one.tried_gross_micros))
    click.echo(_row("", sum(o.gross_micros for o in found), sum(o.tried_gross_micros for o in found)))
    more = sum(one.more_micros > 0 for one in found)
    less = sum(one.more_micros < 0 for one in found)
    click.echo(f"{len(found)} customers: {more} would pay more, {less} less. Amounts include VAT.")


def _row(name: str, now_micros: int, tried_micros: int) -> str:
    amounts = (now_micros, tried_micros, tried_micros - now_micros)
    return f"{name:<24}" + "".join(f"{plain_decimal(decimal_of_micros(micros)):>16}" for micros in amounts)


def _first_of(month: str | None) -> date:
    if month is None:
        this_month = period_of_day(day_of(utc_now(), settings().timezone))
        return period_of_day(this_month.start - timedelta(days=1)).start
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise click.ClickException("Give a month such as 2026-10.") from error


def _told(error: AppError) -> str:
    field = error.extra.get("field")
    said = str(error.detail or error.title)
    return f"{field}: {said}" if field else said


@group.command("backfill")
@click.argument("events", type=click.File("rb"))
def backfill(events: BinaryIO) -> None:
    """Record events of the past, however old: a file of CloudEvents, one per line, or - for standard input.

    Again is harmless. What falls into a period that is closed corrects the next invoice; a past month in
    which a customer had no period yet gets one, and is invoiced with the next close.
    """
    accepted = duplicates = refused = 0
    with in_locale("en"):
        for chunk in _chunks(events):
            documents = []
            numbers = []
            for number, line in chunk:
                try:
                    documents.append(bytes(msgspec.json.decode(line, type=msgspec.Raw)))
                    numbers.append(number)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    refused += 1
                    click.echo(f"line {number}: {error}", err=True)
            window = Window(BEGINNING, utc_now() + timedelta(seconds=settings().event_max_ahead_seconds))
            taken = service.record_events(read_many(b"[" + b",".join(documents) + b"]", window))
            accepted, duplicates = accepted + taken.accepted, duplicates + taken.duplicates
            refused += len(taken.refusals)
            for refusal in taken.refusals:
                line_number = numbers[refusal.index]
                click.echo(f"line {line_number}: {refusal.verdict.code}: {refusal.verdict.detail}", err=True)
    click.echo(f"{accepted} recorded, {duplicates} known already, {refused} refused")
    if refused:
        sys.exit(1)


def _chunks(lines: Iterable[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    numbered: Any = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    while chunk := list(islice(numbered, CHUNK)):
        yield chunk


@group.command("drop-events")
@click.option("--before", required=True, help="Events of months before this one, such as 2026-06, may go.")
def drop_events(before: str) -> None:
    """Drop months of events that are rolled up and invoiced. Totals, hours and invoices stay."""
    try:
        with psycopg.connect(settings().owner_database_url) as connection:
            outcomes = retention.drop_months(connection, _first_of(before))
    except LockNotAvailable as error:
        raise click.ClickException("A long reader holds the events: try again later.") from error
    for outcome in outcomes:
        kept = outcome.kept_because
        click.echo(f"{outcome.month:%Y-%m}: " + (f"kept, {kept}" if kept else "dropped"))
    dropped = sum(outcome.kept_because is None for outcome in outcomes)
    click.echo(f"{dropped} months dropped, {len(outcomes) - dropped} kept")

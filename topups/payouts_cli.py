"""The command that prints the payout report: `flask --app wsgi topups payouts --month 2026-10`."""

import csv
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, TextIO

import click
from flask.cli import with_appcontext

from app.money import decimal_of_micros, round_half_up
from topups import payouts
from topups.gateway import NoAnswer

_COLUMNS: Final = ("day", "received", "refunded", "charged back", "at Mollie", "ledger", "difference")


@click.command("payouts")
@click.option("--month", type=click.DateTime(["%Y-%m"]), required=True, help="Such as 2026-10.")
@click.option("--csv", "file", type=click.File("w"), help="Write the days to this file as CSV; - prints it.")
@with_appcontext
def payouts_command(month: datetime, file: TextIO | None) -> None:
    """Set Mollie's payments against the ledger, day by day, and name what differs. Changes nothing."""
    try:
        found = payouts.report(month.date())
    except NoAnswer as error:
        raise click.ClickException(f"Mollie cannot be asked now: {error}") from error
    rows = [_cells(day) for day in found.days]
    if file is not None:
        csv.writer(file).writerows([[name.replace(" ", "_").lower() for name in _COLUMNS], *rows])
    if file is not sys.stdout:
        _print_report(found, rows)
    if not found.agrees:
        sys.exit(1)


def _print_report(found: payouts.Report, rows: list[list[str]]) -> None:
    click.echo(_row(_COLUMNS))
    for day, cells in zip(found.days, rows, strict=True):
        if day.mollie_micros or day.ledger_micros or day.received_micros:
            click.echo(_row(cells))
    click.echo(_row(_total(found)))
    for line in found.differences:
        click.echo(
            f"{_day(line.mollie_day)} {line.kind} {line.subject} {line.sentence}: "
            f"{_euros(line.mollie_micros)} at Mollie, {_euros(line.ledger_micros)} in the ledger "
            f"({_day(line.ledger_day)})"
        )
    wrong = sum(line.is_wrong for line in found.differences)
    click.echo(f"{wrong} differences." if wrong else "Mollie and the ledger agree.")


def _cells(day: payouts.Day) -> list[str]:
    amounts = (
        day.received_micros,
        day.refunded_micros,
        day.charged_back_micros,
        day.mollie_micros,
        day.ledger_micros,
        day.difference_micros,
    )
    return [day.day.isoformat(), *(_euros(amount) for amount in amounts)]


def _total(found: payouts.Report) -> list[str]:
    return [
        "total",
        _euros(sum(day.received_micros for day in found.days)),
        _euros(sum(day.refunded_micros for day in found.days)),
        _euros(sum(day.charged_back_micros for day in found.days)),
        _euros(sum(day.mollie_micros for day in found.days)),
        _euros(sum(day.ledger_micros for day in found.days)),
        _euros(sum(day.difference_micros for day in found.days)),
    ]


def _row(cells: Sequence[str]) -> str:
    return f"{cells[0]:<10}" + "".join(f"{cell:>14}" for cell in cells[1:])


def _euros(micros: int) -> str:
    return format(round_half_up(decimal_of_micros(micros), 2), "f")


def _day(day: date | None) -> str:
    return day.isoformat() if day else "no day"

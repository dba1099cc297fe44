"""`flask --app wsgi invoicing …`: closing a period by hand, and seeing how far a run is."""

import time
from typing import Final
from uuid import UUID, uuid4

import click
from flask.cli import AppGroup

from app.customers.service import find_customer
from app.db import db, in_unit_of_work, unit_of_work
from app.errors import AppError
from app.i18n import in_locale
from app.money import Money
from invoicing import document_cli, export_cli, run_progress, runs, service, wording
from invoicing.bank_cli import import_bank
from invoicing.documents import without_document

group = AppGroup("invoicing", help="Periods and invoices.")
group.add_command(export_cli.group)
group.add_command(import_bank)
group.add_command(document_cli.issue)
group.add_command(document_cli.resend)
PATIENCE_SECONDS: Final = 600


@group.command("close")
@click.option("--period", required=True, help="The month, such as 2026-10.")
@click.option("--customer", "reference", default=None, help="Only the customer with this reference.")
def close(period: str, reference: str | None) -> None:
    """Close a period that has ended: every customer's usage becomes an invoice. Again is harmless."""
    # Commands speak one language, whatever the provider's is.
    with in_locale("en"):
        try:
            month = service.month_of(period)
            customer = find_customer(reference) if reference else None
            run_id = service.start_close(month, customer)
        except AppError as error:
            raise click.ClickException(str(error.detail or error.title)) from error
    _work(run_id)
    _wait(run_id)
    done = runs.progress(run_id)
    click.echo(
        f"{period}: {done.customers_done} of {done.customers} customers closed, {done.issued} documents."
    )
    failed = runs.failures(month)
    for failure in failed:
        click.echo(f"customer {failure.customer_id} failed: {failure.error}", err=True)
    if failed and done.failed:
        raise click.exceptions.Exit(1)


@group.command("preview")
@click.option("--customer", "reference", required=True, help="The customer's reference.")
def preview(reference: str) -> None:
    """The coming invoice of a customer as it would be now."""
    with in_locale("en"):
        try:
            draft = service.upcoming(find_customer(reference))
        except AppError as error:
            raise click.ClickException(str(error.detail or error.title)) from error
        if draft is None:
            click.echo("nothing to invoice yet")
            return
        for line in draft.lines:
            click.echo(f"{wording.cents_text(line.net_cents):>14}  {wording.description(line)}")
        totals = {"VAT": draft.vat_cents, "total": draft.total_cents, "due": draft.due_cents}
        for name, cents in totals.items():
            click.echo(f"{wording.cents_text(cents):>14}  {name}")


@group.command("credit")
@click.argument("number")
@click.option("--reason", required=True, help="Why; it stands on the credit note.")
@click.option("--amount", default=None, help="VAT included; all that is left otherwise.")
@click.option("--key", default=None, help="The same key credits once.")
def credit(number: str, reason: str, amount: str | None, key: str | None) -> None:
    """Credit an invoice, whole or in part."""
    with in_locale("en"):
        try:
            wish = service.CreditWish(
                number=number,
                reason=reason,
                request_key=f"command-{key or uuid4()}",
                amount_micros=Money.of(amount).micros if amount else None,
            )
            note = in_unit_of_work(lambda: service.credit(wish).number)
        except AppError as error:
            raise click.ClickException(str(error.detail or error.title)) from error
    click.echo(note)


@group.command("progress")
def show_progress() -> None:
    """How far the latest runs are: done, failed, to go, how fast, and how long it takes at that rate."""
    for run in run_progress.latest():
        told = [
            f"{run.customers_done} of {run.customers} customers",
            f"{run.issued} documents",
            f"{run.failed} failed",
            "finished" if run.finished_at else f"{run.to_go} to go",
        ]
        if run.per_minute is not None:
            told.append(f"{run.per_minute} customers a minute")
        if run.minutes_left is not None:
            told.append(f"about {run.minutes_left} min left")
        click.echo(f"{run.month:%Y-%m} {run.started_at:%Y-%m-%d %H:%M}Z: {', '.join(told)}")


@group.command("render")
def render() -> None:
    """Make and mail the documents that were issued and have none yet."""
    numbers = [invoice.number for invoice in without_document(100_000)]
    db.session.rollback()
    for number in numbers:
        service.render(number)
    click.echo(f"{len(numbers)} documents made.")


@group.command("held")
def held() -> None:
    """Documents that are not mailed because their XML breaks a rule."""
    for invoice, document in service.held_documents():
        click.echo(f"{invoice.number}, held since {document.held_at:%Y-%m-%d %H:%M}Z")
        for problem in document.problems:
            click.echo(f"  {problem}")


@group.command("release")
@click.argument("number")
@click.option("--without-xml", is_flag=True, help="Mail the PDF alone, whatever is wrong with the XML.")
def release(number: str, without_xml: bool) -> None:  # noqa: FBT001 -- click hands over flags so
    """Check a held document anew, and mail it when it is right now."""
    with in_locale("en"):
        try:
            if without_xml:
                with unit_of_work():
                    service.send_without_xml(number)
                return
            problems = service.check_again(number)
        except AppError as error:
            raise click.ClickException(str(error.detail or error.title)) from error
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise click.exceptions.Exit(1)


def _work(run_id: UUID) -> None:
    """Take part in the run beside the workers, so that it also ends where there are none."""
    db.session.rollback()
    for position in runs.open_chunks(run_id):
        db.session.rollback()
        runs.work_on(run_id, position)


def _wait(run_id: UUID) -> None:
    """Wait for the chunks that workers have taken."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        db.session.rollback()
        now = runs.progress(run_id)
        if now.is_finished:
            return
        click.echo(f"{now.customers_done} of {now.customers} …", err=True)
        time.sleep(1)
    raise click.ClickException("the workers have not finished; the run goes on")

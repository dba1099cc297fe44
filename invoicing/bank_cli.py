"""`flask --app wsgi invoicing import-bank FILE…`: bank statements by command."""

from pathlib import Path
from typing import Final

import click

from app.db import db, in_unit_of_work
from app.errors import AppError
from app.i18n import in_locale
from invoicing import bank_import, bank_reading, camt

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import-bank")
@click.argument("files", nargs=-1, required=True, type=_FILE)
def import_bank(files: tuple[Path, ...]) -> None:
    """Read CAMT.053 bank statements and match what is new. The same file again changes nothing."""
    refused = 0
    for file in files:
        try:
            _read(file)
        except AppError as error:
            with in_locale("en"):
                click.echo(f"{file.name}: refused. {error.detail or error.title}", err=True)
            refused += 1
    if refused:
        raise click.exceptions.Exit(1)


def _read(file: Path) -> None:
    if file.stat().st_size > camt.MAX_BYTES:
        raise bank_import.StatementRefused
    content = file.read_bytes()
    run = in_unit_of_work(bank_import.read_file, content, file.name, imported_by="command")
    bank_import.match_new(run)
    db.session.rollback()
    done = bank_reading.report(run)
    click.echo(
        f"{file.name}: {done.booked} booked, {done.matched} matched, {done.queued} queued, "
        f"{done.others} other, {done.duplicates} duplicates"
    )

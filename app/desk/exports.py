"""The desk's page of exports: what bookkeeper and tax office ask for, streamed as files. Reads only."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from app.clock import utc_now
from app.config import settings
from app.customers.auth import operator_required
from app.errors import Invalid
from app.i18n import local_date
from app.ledger import books
from invoicing.export_cli import DECLARATIONS
from invoicing.exports import journal
from invoicing.exports.accounts import chart
from invoicing.exports.auditfile import auditfile
from invoicing.exports.balances import balances
from invoicing.exports.quarters import Quarter

blueprint = Blueprint("desk_exports", __name__, url_prefix="/desk/exports", template_folder="templates")

NAMES: Final[dict[str, LazyString]] = {
    "vat": lazy_gettext("VAT return"),
    "oss": lazy_gettext("One-Stop Shop (OSS)"),
    "icp": lazy_gettext("Services to EU businesses (ICP)"),
    "uncollectible": lazy_gettext("Uncollectible"),
}
QUARTERS: Final = 12
_CHUNK_BYTES: Final = 64 * 1024


@blueprint.get("")
@operator_required
def show() -> str:
    return _page()


@blueprint.get("/declaration.csv")
@operator_required
def declaration() -> ResponseReturnValue:
    """A declaration of one quarter."""
    kind, quarter = request.args.get("kind", ""), request.args.get("quarter", "")
    try:
        wanted = Quarter.parse(quarter)
        table = DECLARATIONS[kind](wanted)
    except (KeyError, ValueError):
        return _page(gettext("Choose a declaration and a quarter.")), 422
    return _file(_encoded([table]), f"{kind}-{wanted}.csv", "text/csv")


@blueprint.get("/journal.csv")
@operator_required
def journal_file() -> ResponseReturnValue:
    """The journal of some days."""
    try:
        first, last = _days(of_one_year=False)
    except Invalid as error:
        return _page(str(error.detail or error.title)), error.status
    entries = journal.entries_of(books.totals_by_day(last), first)
    return _file(_encoded(journal.journal_lines(entries, chart())), f"journal-{first}-{last}.csv", "text/csv")


@blueprint.get("/auditfile.xml")
@operator_required
def audit_file() -> ResponseReturnValue:
    """The journal as XML Auditfile Financieel, which bookkeeping packages read."""
    try:
        first, last = _days(of_one_year=True)
    except Invalid as error:
        return _page(str(error.detail or error.title)), error.status
    entries = journal.entries_of(books.totals_by_day(last), first)
    content = auditfile(
        entries, chart(), settings().provider, start=first, end=last, created=local_date(utc_now())
    )
    return _file(_chunks(content), f"journal-{first}-{last}.xaf", "application/xml")


@blueprint.get("/balances.csv")
@operator_required
def balances_file() -> ResponseReturnValue:
    """What stands on each side at the end of a day, and the deposits held for customers."""
    try:
        day = _day("on")
    except Invalid as error:
        return _page(str(error.detail or error.title)), error.status
    return _file(_encoded(balances(day, chart())), f"balances-{day}.csv", "text/csv")


def _days(*, of_one_year: bool) -> tuple[date, date]:
    """Raises Invalid."""
    first, last = _day("from"), _day("to")
    if first > last:
        raise Invalid(gettext("The last day comes before the first."))
    if of_one_year and first.year != last.year:
        raise Invalid(gettext("An audit file covers days of one year."))
    return first, last


def _day(name: str) -> date:
    """Raises Invalid."""
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError as error:
        raise Invalid(gettext("Give a day such as 2026-10-01.")) from error
    if not 2000 <= day.year <= 2200:
        raise Invalid(gettext("Give a day such as 2026-10-01."))
    return day


def _file(parts: Iterator[bytes], name: str, mimetype: str) -> Response:
    answer = Response(parts, mimetype=mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    return (line.encode() for line in lines)


def _chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _CHUNK_BYTES):
        yield content[start : start + _CHUNK_BYTES]


def _page(wrong: str | None = None) -> str:
    today = local_date(utc_now())
    quarter = Quarter.of(today)
    quarters = [quarter]
    while len(quarters) < QUARTERS:
        quarters.append(Quarter.of(date.fromordinal(quarters[-1].start.toordinal() - 1)))
    facts: dict[str, Any] = {
        "wrong": wrong,
        "kinds": {kind: NAMES.get(kind, kind) for kind in DECLARATIONS},
        "quarters": [str(one) for one in quarters],
        # What is declared now is the quarter that has ended.
        "chosen": str(quarters[1]),
        "first": today.replace(month=1, day=1).isoformat(),
        "today": today.isoformat(),
    }
    return render_template("desk/exports.html", **facts)

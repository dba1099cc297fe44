"""`/v1/invoices`: lists with filters and a cursor, one invoice, its files."""

from datetime import date
from typing import cast

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from app import api
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.errors import Invalid
from app.reference.statements import Listed, describe
from invoicing import api_shapes as shapes
from invoicing import itemised, service
from invoicing.errors import Held, InvalidPeriod, NothingToInvoice, NotIssuedYet, Rendering, UnknownInvoice
from invoicing.models import CREDIT_NOTE, INVOICE, PAYMENT_REQUEST
from invoicing.service import STATUSES, Filters, Status

blueprint = Blueprint("invoicing_api", __name__, url_prefix="/v1")


@blueprint.get("/invoices")
@require_api_key
@describe(Listed[shapes.Invoice], query=shapes.AllInvoicesPaging, problems=(UnknownCustomer, InvalidPeriod))
def list_invoices() -> ResponseReturnValue:
    """List invoices, the newest first."""
    reference = request.args.get("customer")
    return _listed(find_customer(reference).customer_id if reference else None)


@blueprint.get("/customers/<reference>/invoices")
@require_api_key
@describe(Listed[shapes.Invoice], query=shapes.InvoicePaging, problems=(UnknownCustomer, InvalidPeriod))
def list_customers_invoices(reference: str) -> ResponseReturnValue:
    """List a customer's invoices, the newest first."""
    return _listed(find_customer(reference).customer_id)


@blueprint.get("/customers/<reference>/invoices/upcoming")
@require_api_key
@describe(shapes.UpcomingInvoice, problems=(UnknownCustomer, NothingToInvoice))
def read_upcoming_invoice(reference: str) -> ResponseReturnValue:
    """Preview the invoice of the period that is closed next."""
    draft = service.upcoming(find_customer(reference))
    if draft is None:
        raise NothingToInvoice
    return jsonify(service.upcoming_json(draft))


@blueprint.get("/invoices/<number>")
@require_api_key
@describe(shapes.Invoice, problems=(UnknownInvoice,))
def read_invoice(number: str) -> ResponseReturnValue:
    """Read an invoice."""
    return jsonify(service.to_json(service.find(number)))


@blueprint.get("/invoices/<number>.pdf")
@require_api_key
@describe("application/pdf", problems=(UnknownInvoice, Rendering))
def read_pdf(number: str) -> ResponseReturnValue:
    """Download an invoice as a PDF."""
    return file_response(number, service.PDF)


@blueprint.get("/invoices/<number>.xml")
@require_api_key
@describe("application/xml", problems=(UnknownInvoice, Rendering, Held, NotIssuedYet))
def read_xml(number: str) -> ResponseReturnValue:
    """Download an invoice as UBL: Peppol BIS Billing 3.0 for businesses, EN 16931 for consumers."""
    return file_response(number, service.XML)


@blueprint.get("/invoices/<number>/paid.pdf")
@require_api_key
@describe("application/pdf", problems=(UnknownInvoice, Rendering, NotIssuedYet))
def read_paid_copy(number: str) -> ResponseReturnValue:
    """Download the copy of a paid invoice that says when and how it was paid."""
    return file_response(number, service.PAID_PDF)


@blueprint.get("/invoices/<number>.csv")
@require_api_key
@describe("text/csv", problems=(UnknownInvoice,))
def read_itemised_usage(number: str) -> ResponseReturnValue:
    """Download every event of an invoice's period as CSV."""
    return itemised_response(number)


def itemised_response(number: str, customer_id: int | None = None) -> Response:
    """The events behind a document, streamed. Raises UnknownInvoice."""
    invoice = service.find(number, customer_id)
    name = service.filename(invoice, "csv")
    answer = Response(itemised.csv_lines(invoice), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def file_response(number: str, kind: str, customer_id: int | None = None) -> Response:
    """A stored file as it is. Raises UnknownInvoice, Rendering, Held."""
    invoice = service.find(number, customer_id)
    document = service.document(invoice, kind)
    response = Response(document.content, mimetype=document.content_type)
    name = service.filename(invoice, kind)
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.set_etag(document.sha256)
    return cast("Response", response.make_conditional(request))


def _listed(customer_id: int | None) -> ResponseReturnValue:
    filters = Filters(customer_id=customer_id, statuses=_statuses(), kind=_kind(), month=_month("period"))
    found, cursor = service.page(filters, after=_cursor(), limit=api.page_size())
    return jsonify(api.listed([service.listed_json(listed) for listed in found], cursor))


def _statuses() -> frozenset[Status] | None:
    given = request.args.get("status")
    if given is None:
        return None
    wanted = frozenset(status for status in STATUSES if status in given.split(","))
    if len(wanted) != len(set(given.split(","))):
        raise Invalid(
            lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(STATUSES)), field="status"
        )
    return wanted


def _kind() -> str | None:
    given = request.args.get("kind")
    kinds = (INVOICE, CREDIT_NOTE, PAYMENT_REQUEST)
    if given not in (None, *kinds):
        raise Invalid(lazy_gettext("Choose one of: %(choices)s.", choices=", ".join(kinds)), field="kind")
    return given


def _month(field: str) -> date | None:
    given = request.args.get(field)
    return service.month_of(given) if given is not None else None


def _cursor() -> str | None:
    given = request.args.get("cursor")
    if given is not None and not service.is_number(given):
        raise Invalid(lazy_gettext("This cursor is not one of ours."), field="cursor")
    return given

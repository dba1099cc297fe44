"""A document's public page, for whoever was sent its link: what it asks, its files, and paying it.

It shows this one document and nothing else of the customer, in the document's language unless the reader
picks another.
"""

from typing import Final

from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from app.db import in_unit_of_work
from app.i18n import LANGUAGES, in_locale
from app.throttle import throttle
from invoicing import document_links, service, wording
from invoicing.api import file_response
from invoicing.views import TAGS
from topups import service as topups

blueprint = Blueprint("documents", __name__, url_prefix="/documents", template_folder="templates")

VIEWS_A_MINUTE: Final = 60
PAYABLE: Final = frozenset({"open", "overdue"})


@blueprint.before_request
def _count() -> None:
    throttle("documents", request.remote_addr or "", most=VIEWS_A_MINUTE, window_seconds=60)


@blueprint.after_request
def _keep_private(response: Response) -> Response:
    """The address is the secret: no search engine and no other site may learn it."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@blueprint.get("/<token>")
def show(token: str) -> str:
    """What the document says first, its files, and a way to pay what is due."""
    invoice = document_links.find(token)
    status = service.status_now(invoice)
    kinds = service.stored_kinds(invoice)
    if invoice.is_request and service.REQUEST_PDF in kinds:
        kinds.append(service.PDF)
    picked = session.get("locale")
    with in_locale(picked if picked in LANGUAGES else invoice.locale):
        return render_template(
            "invoicing/document.html",
            invoice=invoice,
            token=token,
            status=status,
            tag=TAGS[status],
            payable=status in PAYABLE,
            kinds=kinds,
            w=wording,
        )


@blueprint.post("/<token>/pay")
def pay(token: str) -> ResponseReturnValue:
    """On to the page on which it is paid; however often, there is one."""
    invoice = document_links.find(token)
    if service.status_now(invoice) not in PAYABLE:
        return redirect(url_for("documents.show", token=token))
    link = in_unit_of_work(topups.make_pay_link, invoice.customer_id, invoice_number=invoice.number)
    return redirect(url_for("pay.show", token=link.pay_link_id))


@blueprint.get("/<token>/document.pdf")
def pdf(token: str) -> Response:
    return _file(token, service.PDF)


@blueprint.get("/<token>/document.xml")
def xml(token: str) -> Response:
    return _file(token, service.XML)


@blueprint.get("/<token>/paid.pdf")
def paid_copy(token: str) -> Response:
    return _file(token, service.PAID_PDF)


def _file(token: str, kind: str) -> Response:
    """A stored file of the document as it is."""
    invoice = document_links.find(token)
    return file_response(invoice.number, kind, invoice.customer_id)

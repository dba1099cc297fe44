"""The public page of a pay link: amount, purpose, ways to pay, and how it went. No account is needed.

It shows what a payer needs and nothing else of the customer, least of all a balance. Success is never
inferred: the page asks Mollie and says what is so.
"""

import re
import secrets
from dataclasses import dataclass
from typing import Final, Literal

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.config import settings
from app.customers.models import Customer
from app.customers.service import get_customer
from app.document_names import document_title
from app.errors import AppError, Invalid
from app.headers import POLICY, checkout_targets
from app.throttle import throttle
from invoicing import service as invoicing
from topups import fee_page
from topups import service as topups
from topups.fee_page import Offer
from topups.service import Fee, PayLink, Status, TopUp

blueprint = Blueprint("pay", __name__, url_prefix="/pay", template_folder="templates")

VIEWS_A_MINUTE: Final = 60
PAYMENTS_AN_HOUR: Final = 20
REFRESH_SECONDS: Final = 3
_TOKEN: Final = re.compile(r"[a-f0-9]{32}")
_MICROS: Final = re.compile(r"[0-9]{1,12}")
_BANK_HAS_IT: Final = frozenset({Status.SUBMITTING, Status.UNKNOWN, Status.PENDING})
_ENDED: Final = frozenset({Status.PAID, Status.FAILED, Status.CANCELED, Status.EXPIRED})


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a link asks for, and whether that has been paid."""

    customer: Customer
    amount_micros: int
    invoice_number: str | None
    state: Literal["open", "waiting", "paid"]


@blueprint.before_request
def _count() -> None:
    throttle("pay", request.remote_addr or "", most=VIEWS_A_MINUTE, window_seconds=60)


@blueprint.after_request
def _keep_private(response: Response) -> Response:
    """The address is the secret: no search engine and no other site may learn it."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Content-Security-Policy"] = POLICY + checkout_targets()
    return response


@blueprint.get("/<token>")
def show(token: str) -> str:
    """What is to be paid, and how."""
    link = topups.find_pay_link(token)
    return _page(link, _bill(link))


@blueprint.post("/<token>")
def start(token: str) -> ResponseReturnValue:
    """On to the payment page; a double click on the same form leads to the same payment."""
    throttle("pay-start", request.remote_addr or "", most=PAYMENTS_AN_HOUR, window_seconds=3600)
    link = topups.find_pay_link(token)
    bill = _bill(link)
    if bill.state != "open":
        return redirect(url_for("pay.result", token=token))
    try:
        method = _chosen_method(bill)
        offered = fee_page.offer(bill.customer, method, bill.amount_micros)
        if offered.fee and offered.fee.gross_micros != _accepted_fee_micros():
            return _fee_page(link, bill, method, offered)
        made = _pay(link, bill, method, offered.fee)
    except AppError as error:
        flash(str(error.detail or error.title), "danger")
        return _page(link, bill), error.status
    if made.checkout_url is not None and made.status not in _ENDED:
        return redirect(made.checkout_url)
    return redirect(url_for("pay.result", token=token))


@blueprint.get("/<token>/result")
def result(token: str) -> ResponseReturnValue:
    """Where the payer comes back to."""
    link = topups.find_pay_link(token)
    payments = topups.pay_link_payments(link)
    if not payments:
        return redirect(url_for("pay.show", token=token))
    payment = payments[0]
    if payment.status not in _ENDED:
        payment = topups.look_again(payment)
    turns = min(request.args.get("turn", 0, type=int), 1000)
    return render_template(
        "portal/pay_result.html",
        bill=_bill(link),
        payment=payment,
        method_name=topups.method_name(payment.method),
        ended=payment.status in _ENDED,
        failure=topups.failure_text(payment) if payment.status in _ENDED - {Status.PAID} else None,
        refresh_seconds=REFRESH_SECONDS if turns < 40 else 30,
        again=url_for("pay.result", token=token, turn=turns + 1),
        back=url_for("pay.show", token=token),
    )


def _bill(link: PayLink) -> Bill:
    """What the link asks for now. Raises DeadPayLink when there is nothing left to ask."""
    customer = get_customer(link.customer_id)
    if customer.status != "active" and link.invoice_number is None:
        raise topups.DeadPayLink
    if link.invoice_number is not None:
        invoice = invoicing.find(link.invoice_number, link.customer_id)
        status = invoicing.status_now(invoice)
        if status == "uncollectible":
            raise topups.DeadPayLink
        paid = status in {"paid", "credited"}
        waiting = status == "in_progress"
        amount_micros = invoice.outstanding_micros
    else:
        statuses = {payment.status for payment in topups.pay_link_payments(link)}
        paid, waiting = Status.PAID in statuses, bool(statuses & _BANK_HAS_IT)
        amount_micros = link.amount_micros or 0
    return Bill(
        customer=customer,
        amount_micros=amount_micros,
        invoice_number=link.invoice_number,
        state="paid" if paid else "waiting" if waiting else "open",
    )


def _ways_to_pay(bill: Bill) -> list[tuple[str, str]]:
    """What the payer may choose from, with a word of warning where it costs something."""
    offered = [
        (
            method.method_id,
            gettext("%(method)s (costs a fee)", method=method.description)
            if topups.fee_of(bill.customer, method.method_id, bill.amount_micros)
            else method.description,
        )
        for method in topups.ways_to_pay(bill.amount_micros)
    ]
    return offered or [("any", gettext("Choose on the payment page"))]


def _page(link: PayLink, bill: Bill) -> str:
    return render_template(
        "portal/pay.html",
        link=link,
        bill=bill,
        ways=_ways_to_pay(bill) if bill.state == "open" else [],
        form_token=secrets.token_hex(16),
    )


def _fee_page(link: PayLink, bill: Bill, method: str | None, offered: Offer) -> str:
    """What paying this way costs."""
    what = document_title(bill.invoice_number) if bill.invoice_number else gettext("Top up the balance")
    fields = [("token", _form_token()), ("method", method), ("accepted_fee", offered.fee.gross_micros)]
    return render_template("portal/pay_fee.html", link=link, what=what, offered=offered, fields=fields)


def _pay(link: PayLink, bill: Bill, method: str | None, fee: Fee) -> TopUp:
    return topups.request_top_up(
        bill.customer,
        bill.amount_micros,
        request_key=topups.pay_link_request_key(link, _form_token()),
        method=method,
        purpose="invoice" if bill.invoice_number else "balance",
        invoice_number=bill.invoice_number,
        accepted_fee_micros=fee.gross_micros,
        redirect_url=settings().public_url.rstrip("/") + url_for("pay.result", token=link.pay_link_id),
    )


def _form_token() -> str:
    token = request.form.get("token", "")
    if not _TOKEN.fullmatch(token):
        raise Invalid(gettext("Reload this page and try again."))
    return token


def _chosen_method(bill: Bill) -> str | None:
    """None where Mollie's own page lets the payer choose."""
    method = request.form.get("method", "")
    if method not in dict(_ways_to_pay(bill)):
        raise Invalid(gettext("Choose one of the ways to pay."))
    return None if method == "any" else method


def _accepted_fee_micros() -> int:
    """The fee that the payer has been shown and accepts; 0 before that."""
    text = request.form.get("accepted_fee", "")
    return int(text) if _MICROS.fullmatch(text) else 0

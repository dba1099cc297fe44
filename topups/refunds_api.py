"""`/v1`: refunds and receipts of top-ups."""

import hashlib
from typing import Any, Final, cast

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from app import api
from app.customers.auth import require_api_key
from app.customers.service import UnknownCustomer, find_customer
from app.db import in_unit_of_work
from app.money import InvalidMoney, Money
from app.reference.statements import Listed, Nothing, describe
from topups import errors, posted, service, shapes

blueprint = Blueprint("refunds_api", __name__, url_prefix="/v1")
_OBSTACLES: Final = (UnknownCustomer, errors.PaymentsUnderWay, errors.InvoicesOpen)


@blueprint.get("/top-ups/<top_up_id>/refunds")
@require_api_key
@describe(Listed[shapes.Refund], problems=(errors.UnknownTopUp,))
def list_refunds(top_up_id: str) -> ResponseReturnValue:
    """List a top-up's refunds."""
    refunds = service.refunds_of(service.find_top_up(top_up_id))
    return jsonify(api.listed([refund_json(refund) for refund in refunds], None))


@blueprint.post("/top-ups/<top_up_id>/refunds")
@require_api_key
@api.idempotent(required=True)
@describe(
    shapes.Refund,
    201,
    takes=shapes.NewRefund,
    problems=(
        errors.UnknownTopUp,
        InvalidMoney,
        errors.AmountNotWholeCents,
        errors.NotRefundable,
        errors.WholeRefundWithAmount,
        errors.RefundAbovePayment,
        errors.RefundAboveBalance,
        errors.RefundRefused,
        errors.RequestKeyReused,
        errors.PaymentsUnavailable,
    ),
)
def create_refund(top_up_id: str) -> ResponseReturnValue:
    """Refund a top-up.

    Without an amount all that is left of what the payment credited, or of the whole payment with its fee
    (`include_fee`); `force` goes below what the balance has.
    """
    body = api.read_object("amount", "include_fee", "force")
    amount = body.get("amount")
    # The header's key may be long and is scoped to its caller; its digest fits the row.
    request_key = "api:" + hashlib.sha256(str(g.idempotency_key).encode()).hexdigest()
    refund = service.request_refund(
        service.RefundWish(
            top_up_id=top_up_id,
            request_key=request_key,
            amount_micros=None if amount is None else Money.from_json(amount, field="amount").micros,
            with_fee=posted.boolean(body, "include_fee"),
            forced=posted.boolean(body, "force"),
        )
    )
    return jsonify(refund_json(refund)), 201


@blueprint.post("/customers/<reference>/close")
@require_api_key
@api.idempotent(required=True)
@describe(shapes.Leaving, takes=Nothing, problems=_OBSTACLES)
def close_customer(reference: str) -> ResponseReturnValue:
    """Close a customer.

    Nothing is charged any more: subscriptions end today, mandates are withdrawn, pay links end. What is left
    of the prepaid money, of credits and of what was paid ahead goes back to where it came from. Refused while
    a payment is on its way or an invoice is open.
    """
    api.read_object()
    customer = find_customer(reference)

    def close() -> dict[str, Any]:
        leaving = service.close_customer(customer.customer_id)
        return {
            "status": "closed",
            "going_back": Money(leaving.going_back_micros).to_json(),
            "left": Money(leaving.left_micros).to_json(),
            "refunds": [refund_json(refund) for refund in leaving.refunds],
        }

    return jsonify(in_unit_of_work(close))


@blueprint.get("/top-ups/<top_up_id>/receipt.pdf")
@require_api_key
@describe("application/pdf", problems=(errors.UnknownTopUp, errors.ReceiptNotReady))
def read_receipt(top_up_id: str) -> ResponseReturnValue:
    """Download the receipt of a payment."""
    return receipt_response(service.find_receipt(service.find_top_up(top_up_id)))


def receipt_response(receipt: service.Receipt) -> Response:
    """The stored PDF as it is."""
    response = Response(receipt.content, mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{receipt.number}.pdf"'
    response.set_etag(str(receipt.sha256))
    return cast("Response", response.make_conditional(request))


def refund_json(refund: service.Refund) -> dict[str, Any]:
    return {
        "id": refund.refund_id,
        "top_up": refund.top_up_id,
        "status": refund.status.value,
        "amount": Money(refund.amount_micros).to_json(),
        "mollie_refund_id": refund.mollie_refund_id,
        "created_at": refund.created_at.isoformat(),
    }

"""Top-ups as other slices and the shell use them. A thin facade: what happens stands in the named modules.

`request_top_up`, `pay_with_mandate`, `sync_payment`, `ways_to_pay`, `revoke_method`, `sync_mandates` and
`request_refund` call Mollie and are called outside a unit of work; everything else joins the caller's.
"""

from typing import Final, Literal

from sqlalchemy import func, select

from app.customers.models import Customer
from app.db import db
from app.tables import Column, Order
from topups.auto import evaluate, refresh_marks
from topups.bank_transfers import CORRECTED, TransferDetails, set_transfer_reference, transfer_details
from topups.bank_transfers import give_again as give_bank_transfer_again
from topups.bank_transfers import receive as receive_bank_transfer
from topups.bank_transfers import take_back as take_bank_transfer_back
from topups.consents import GivenBy
from topups.facts import MethodFacts
from topups.fee_payers import fee_payers
from topups.fees import Fee, PaidFee, fee_bearers, fee_of, paid_fees
from topups.fees import set_vat_rate as set_fee_vat_rate
from topups.labels import REFUND_STATUSES, STATUSES, failure_text, method_label, name_within
from topups.leaving import Leaving, Prospect
from topups.leaving import close as close_customer
from topups.leaving import prospect as leaving_prospect
from topups.mandates import chargeable_method, find_method, payment_methods, place_method, sync_mandates
from topups.mandates import revoke as revoke_method
from topups.methods import method_name, ways_to_pay
from topups.models import AutoTopUp, Chargeback, Consent, PaymentMethod, Refund, TopUp
from topups.pay_links import DeadPayLink, PayLink
from topups.pay_links import find as find_pay_link
from topups.pay_links import links_of as pay_links
from topups.pay_links import make as make_pay_link
from topups.pay_links import paid_ids as paid_pay_links
from topups.pay_links import payments_of as pay_link_payments
from topups.pay_links import request_key as pay_link_request_key
from topups.pay_links import revoke as revoke_pay_link
from topups.payments import Origin, Wish, find_by_key, find_top_up, request
from topups.preview import set_usage_reader
from topups.receipts import Receipt
from topups.receipts import find as find_receipt
from topups.refunding import (
    RefundWish,
    find_refund,
    refundable_micros,
    refunds_of,
    request_refund,
    spare_micros,
)
from topups.rules import RuleWish, find_rule, resume, switch_off
from topups.rules import save as save_rule
from topups.states import LOST, Status
from topups.subscriptions import PaidAhead, on_balance_seen, on_leaving, on_money_arrived, on_money_left
from topups.summary import (
    DecisionLine,
    MoneyUnderWay,
    Summary,
    payments_under_way,
    payments_under_way_of,
    summary,
)
from topups.syncing import look_again, sync_payment

Purpose = Literal["balance", "invoice", "method"]
# What a list of payments can be sorted by.
COLUMNS: Final = {
    "date": Column(TopUp.created_at, falls=True),
    "method": Column(func.coalesce(TopUp.method, "")),
    "status": Column(TopUp.status),
    "amount": Column(TopUp.amount_micros, falls=True),
    "refunded": Column(TopUp.refunded_micros, falls=True),
}


def request_top_up(
    customer: Customer,
    amount_micros: int,
    *,
    request_key: str,
    method: str | None = None,
    purpose: Purpose = "balance",
    invoice_number: str | None = None,
    accepted_fee_micros: int = 0,
    save_method: bool = False,
    redirect_url: str | None = None,
    consent_by: GivenBy | None = None,
) -> TopUp:
    """A payment at Mollie's checkout; send the payer to its `checkout_url`. See `payments.request`."""
    return request(
        Wish(
            customer_id=customer.customer_id,
            amount_micros=amount_micros,
            request_key=request_key,
            method=method,
            purpose=purpose,
            invoice_number=invoice_number,
            accepted_fee_micros=accepted_fee_micros,
            save_method=save_method,
            redirect_url=redirect_url,
            consent_by=consent_by,
        )
    )


def pay_with_mandate(
    customer: Customer,
    amount_micros: int,
    payment_method_id: str,
    *,
    request_key: str,
    purpose: Purpose = "balance",
    invoice_number: str | None = None,
    accepted_fee_micros: int = 0,
    origin: Origin = "manual",
) -> TopUp:
    """Charge a stored mandate now: at the customer's own request, or as agreed. See `payments.request`."""
    return request(
        Wish(
            customer_id=customer.customer_id,
            amount_micros=amount_micros,
            request_key=request_key,
            payment_method_id=payment_method_id,
            purpose=purpose,
            invoice_number=invoice_number,
            accepted_fee_micros=accepted_fee_micros,
            origin=origin,
        )
    )


def top_ups(
    customer_id: int, *, before_id: str | None = None, limit: int = 50, order: Order | None = None
) -> list[TopUp]:
    """A customer's top-ups, the newest first unless asked otherwise, those after `before_id` in that order.

    Raises UnknownTopUp.
    """
    order = order or Order.asked(COLUMNS)
    query = select(TopUp).where(TopUp.customer_id == customer_id, TopUp.purpose != "method")
    place = None
    if before_id is not None:
        find_top_up(before_id, customer_id)
        value = select(order.value).where(TopUp.customer_id == customer_id, TopUp.top_up_id == before_id)
        place = (value.scalar_subquery(), before_id)
    return list(db.session.scalars(order.applied(query, TopUp.top_up_id, place).limit(limit)))


def last_top_up_micros(customer_id: int) -> int:
    """The last payment that filled the balance, in micros; 0 when there was none."""
    query = select(TopUp.amount_micros).where(
        TopUp.customer_id == customer_id, TopUp.purpose == "balance", TopUp.status == Status.PAID
    )
    return db.session.scalar(query.order_by(TopUp.ended_at.desc()).limit(1)) or 0


__all__ = [
    "COLUMNS",
    "CORRECTED",
    "LOST",
    "REFUND_STATUSES",
    "STATUSES",
    "AutoTopUp",
    "Chargeback",
    "Consent",
    "DeadPayLink",
    "DecisionLine",
    "Fee",
    "GivenBy",
    "Leaving",
    "MethodFacts",
    "MoneyUnderWay",
    "PaidAhead",
    "PaidFee",
    "PayLink",
    "PaymentMethod",
    "Prospect",
    "Receipt",
    "Refund",
    "RefundWish",
    "RuleWish",
    "Status",
    "Summary",
    "TopUp",
    "TransferDetails",
    "chargeable_method",
    "close_customer",
    "evaluate",
    "failure_text",
    "fee_bearers",
    "fee_of",
    "fee_payers",
    "find_by_key",
    "find_method",
    "find_pay_link",
    "find_receipt",
    "find_refund",
    "find_rule",
    "find_top_up",
    "give_bank_transfer_again",
    "last_top_up_micros",
    "leaving_prospect",
    "look_again",
    "make_pay_link",
    "method_label",
    "method_name",
    "name_within",
    "on_balance_seen",
    "on_leaving",
    "on_money_arrived",
    "on_money_left",
    "paid_fees",
    "paid_pay_links",
    "pay_link_payments",
    "pay_link_request_key",
    "pay_links",
    "pay_with_mandate",
    "payment_methods",
    "payments_under_way",
    "payments_under_way_of",
    "place_method",
    "receive_bank_transfer",
    "refresh_marks",
    "refundable_micros",
    "refunds_of",
    "request_refund",
    "request_top_up",
    "resume",
    "revoke_method",
    "revoke_pay_link",
    "save_rule",
    "set_fee_vat_rate",
    "set_transfer_reference",
    "set_usage_reader",
    "spare_micros",
    "summary",
    "switch_off",
    "sync_mandates",
    "sync_payment",
    "take_bank_transfer_back",
    "top_ups",
    "transfer_details",
    "ways_to_pay",
]

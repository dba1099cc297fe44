"""Suspension by dunning: while an invoice whose last step came is unpaid, unless an operator pauses it.

It is a cause of its own beside the operator's: lifting the one leaves the other. Given up is not paid, so
what is uncollectible keeps its customer suspended.
"""

from sqlalchemy import or_, select

from app.clock import utc_now
from app.customers import addressees
from app.customers.service import get_customer
from app.db import db
from app.i18n import local_date
from app.ledger import suspension
from invoicing.dunning import Step
from invoicing.dunning_models import DunningStep
from invoicing.dunning_pauses import pauses_of
from invoicing.models import UNPAID, Invoice


def refresh(customer_id: int) -> bool:
    """Suspend or release as it is now; whether dunning suspends this customer. In a unit of work.

    The customer's balance is locked.
    """
    since = suspension.causes(customer_id).get("dunning")
    is_wanted = _is_wanted(customer_id)
    if is_wanted and since is None:
        suspension.suspend(customer_id, "dunning")
    if not is_wanted and since is not None:
        left = suspension.unsuspend(customer_id, "dunning")
        if left.suspended_at is None:
            _tell_released(customer_id, f"{since:%Y%m%d%H%M%S%f}")
    return is_wanted


def _is_wanted(customer_id: int) -> bool:
    unpaid = db.session.scalars(
        select(Invoice.invoice_id)
        .join(
            DunningStep,
            (DunningStep.customer_id == Invoice.customer_id) & (DunningStep.invoice_id == Invoice.invoice_id),
        )
        .where(
            Invoice.customer_id == customer_id,
            DunningStep.step == Step.SUSPENSION.value,
            or_(UNPAID, Invoice.written_off_micros > 0),
        )
    ).all()
    if not unpaid:
        return False
    pauses = pauses_of(customer_id, local_date(utc_now()))
    return any(not pauses.hold(invoice_id) for invoice_id in unpaid)


def _tell_released(customer_id: int, since: str) -> None:
    customer = get_customer(customer_id)
    addressees.send(
        "dunning_released",
        "payments",
        customer_id=customer_id,
        locale=customer.locale,
        context={"name": customer.name},
        dedupe_key=f"dunning-released-{since}",
    )
